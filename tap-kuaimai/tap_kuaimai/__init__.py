"""Singer tap for the 快麦 (Kuaimai) ERP open platform."""

from __future__ import annotations
