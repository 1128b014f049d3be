"""Stand-ins of the open platforms, for the demo and the tests; see README.md."""

from __future__ import annotations
