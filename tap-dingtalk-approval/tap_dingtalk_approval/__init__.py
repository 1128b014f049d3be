"""Singer tap for 钉钉 (DingTalk) OA approvals."""

from __future__ import annotations
