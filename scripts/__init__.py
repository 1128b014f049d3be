"""What the Makefile runs."""

from __future__ import annotations
