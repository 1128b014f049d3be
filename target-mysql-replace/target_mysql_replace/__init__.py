"""Singer target that loads any stream into MySQL and its relatives, exactly and as fast as the server allows."""

from __future__ import annotations
