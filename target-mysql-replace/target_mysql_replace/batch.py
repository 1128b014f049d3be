"""A batch: records of one stream on their way into one table."""

from __future__ import annotations

import dataclasses
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import msgspec

    from target_mysql_replace.encode import RecordEncoder, Texts
    from target_mysql_replace.table import Table


@dataclasses.dataclass(frozen=True)
class BadRow:
    """A record that cannot be stored.

    Attributes:
        record: as it came, JSON in UTF-8.
        reason: why, without values.
    """

    record: bytes
    reason: str


@dataclasses.dataclass
class Batch:
    """Records that are written in one transaction.

    Attributes:
        stream: the stream's name.
        table: where they go.
        encoder: what turns them into texts.
        records: the records as they came, JSON in UTF-8.
        size: their bytes together.
        bad: records already found bad.
        texts: what is to be written, without the bad ones; None while nothing needs it.
        payload: the same, ready to be sent by :attr:`method`.
        method: name of the writer the payload is for.
        id: identifies the batch in the ledger.
    """

    stream: str
    table: Table
    encoder: RecordEncoder
    records: list[msgspec.Raw | bytes]
    size: int
    bad: list[BadRow] = dataclasses.field(default_factory=list)
    texts: Texts | None = None
    payload: list[bytes] | None = None
    method: str | None = None
    id: str = dataclasses.field(default_factory=lambda: uuid.uuid4().hex)
