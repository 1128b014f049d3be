"""``python -m target_mysql_replace``."""

from __future__ import annotations

from target_mysql_replace.target import TargetMySQLReplace

TargetMySQLReplace.cli()
