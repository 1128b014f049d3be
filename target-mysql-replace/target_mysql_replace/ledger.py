"""``_load_ledger``: one row for every written batch, in the batch's own transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_mysql_replace.bookkeeping import ensure_table

if TYPE_CHECKING:
    import datetime as dt

    from target_mysql_replace.batch import Batch
    from target_mysql_replace.session import Session

NAME = "_load_ledger"
_COLUMNS = """
  `batch_id` CHAR(32) NOT NULL COMMENT '批次编号',
  `run_id` VARCHAR(64) NOT NULL COMMENT '运行编号',
  `stream` VARCHAR(255) NOT NULL COMMENT '数据流',
  `table_name` VARCHAR(64) NOT NULL COMMENT '目标表',
  `rows_written` BIGINT NOT NULL COMMENT '写入行数',
  `bytes` BIGINT NOT NULL COMMENT '收到的记录字节数',
  `method` VARCHAR(16) NOT NULL COMMENT '写入方式',
  `retries` INT NOT NULL COMMENT '重试次数',
  `started_at` DATETIME(6) NOT NULL COMMENT '开始写入的时间',
  `seconds` DECIMAL(12,3) NOT NULL COMMENT '耗时（秒）',
  PRIMARY KEY (`batch_id`),
  KEY `started_at` (`started_at`)
"""


def prepare(session: Session) -> None:
    """Make the table where it does not exist."""
    ensure_table(session, NAME, _COLUMNS, "每个写入批次一行")


def record(
    session: Session,
    batch: Batch,
    *,
    rows: int,
    method: str,
    retries: int,
    seconds: float,
    run_id: str,
    started_at: dt.datetime,
) -> None:
    """Add the batch's row to the session's transaction.

    Args:
        session: with the batch's transaction open.
        batch: what was written.
        rows: records written, those of one key each counted.
        method: the writer's name.
        retries: how often the batch was sent again.
        seconds: from the start of the batch's last try to its commit.
        run_id: the run.
        started_at: start of the batch's last try.
    """
    values = (
        batch.id,
        run_id,
        batch.stream[:255],
        batch.table.title,
        rows,
        batch.size,
        method,
        retries,
        started_at,
        round(seconds, 3),
    )
    session.execute(
        f"INSERT INTO `{NAME}` (`batch_id`, `run_id`, `stream`, `table_name`, `rows_written`, `bytes`, `method`, "  # noqa: S608 a constant
        "`retries`, `started_at`, `seconds`) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        values,
    )


def has(session: Session, batch_id: str) -> bool:
    """Return whether the batch was committed, for when the answer to its COMMIT was lost."""
    found = session.rows(f"SELECT 1 FROM `{NAME}` WHERE `batch_id` = %s", (batch_id,))  # noqa: S608 a constant
    session.driver.rollback()
    return bool(found)
