"""Status page, checks, alerts and a scheduler for any Meltano project.

Everything is read from what Meltano leaves behind anyway (its run history and its structured log) and kept in one local
SQLite file, so that the page and the alerts work while the target database is down.
"""

from __future__ import annotations

__version__ = "0.1.0"
