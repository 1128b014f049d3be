"""``_quarantine``: records that could not be stored, as they came, each with the reason."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import TYPE_CHECKING, Any

from target_mysql_replace.bookkeeping import ensure_table, local_now

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from target_mysql_replace.batch import BadRow
    from target_mysql_replace.session import Session

NAME = "_quarantine"
#: Bytes of a statement besides the record: names, and two reasons of 1,000 characters.
_REST_OF_STATEMENT = 20_000
#: The record is kept as text, letter by letter: a native JSON column would change long numbers and refuse what made it
#: bad. A record that met the same fate in an earlier run is kept once: a repeated run must not make the pile grow.
_COLUMNS = """
  `id` BIGINT NOT NULL AUTO_INCREMENT COMMENT '编号',
  `stream` VARCHAR(255) NOT NULL COMMENT '数据流',
  `table_name` VARCHAR(64) NOT NULL COMMENT '目标表',
  `record` LONGTEXT NOT NULL COMMENT '原始记录（JSON）',
  `reason` VARCHAR(1000) NOT NULL COMMENT '不能写入的原因',
  `run_id` VARCHAR(64) NOT NULL COMMENT '运行编号',
  `quarantined_at` DATETIME(6) NOT NULL COMMENT '隔离时间',
  `record_hash` CHAR(64) NOT NULL COMMENT '记录的哈希，防止重复',
  PRIMARY KEY (`id`),
  UNIQUE KEY `record_hash` (`record_hash`)
"""


def prepare(session: Session) -> None:
    """Make the table where it does not exist."""
    ensure_table(session, NAME, _COLUMNS, "不能写入的记录，可用 --replay-quarantine 重新写入")


def add(
    session: Session, stream: str, table: str, rows: Sequence[BadRow], *, keyed: bool, run_id: str, zone: dt.timezone
) -> None:
    """Add bad rows to the session's transaction.

    Args:
        session: with the batch's transaction open.
        stream: the stream's name.
        table: the table they were meant for.
        rows: the records and reasons.
        keyed: whether the table has a key; without one, equal records are different rows and all are kept.
        run_id: the run.
        zone: the zone of ``quarantined_at``.
    """
    now = local_now(zone)
    for row in rows:
        text = _kept(row.record, session.server.max_allowed_packet)
        salt = "" if keyed else uuid.uuid4().hex
        digest = hashlib.sha256(f"{stream}\x00{text}\x00{salt}".encode()).hexdigest()
        session.execute(
            f"INSERT INTO `{NAME}` (`stream`, `table_name`, `record`, `reason`, `run_id`, `quarantined_at`, "  # noqa: S608 a constant
            "`record_hash`) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s) "
            "ON DUPLICATE KEY UPDATE `reason` = %s, `run_id` = %s, `quarantined_at` = %s",
            (stream[:255], table, text, row.reason[:1000], run_id, now, digest, row.reason[:1000], run_id, now),
        )


def is_beginning(value: Any) -> bool:  # noqa: ANN401 any JSON value
    """Return whether a quarantined record is only the beginning of one that was too large."""
    return isinstance(value, dict) and set(value) == {"truncated", "bytes", "start"}


def _kept(record: bytes, max_allowed_packet: int) -> str:
    """The record's text; of one too large for a statement, its beginning."""
    text = record.decode("utf-8", "replace")
    # Quotes are doubled in a statement.
    if len(record) + record.count(b"'") + _REST_OF_STATEMENT < max_allowed_packet:
        return text
    return json.dumps({"truncated": True, "bytes": len(record), "start": text[:1000]}, ensure_ascii=False)
