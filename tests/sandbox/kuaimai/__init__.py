"""The stand-in of the 快麦 (Kuaimai) open platform."""

from __future__ import annotations
