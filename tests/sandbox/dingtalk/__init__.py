"""Stand-in of 钉钉: OA approvals in both generations of its API, and the group robot; see README.md."""

from __future__ import annotations
