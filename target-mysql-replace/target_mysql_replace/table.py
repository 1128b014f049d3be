"""What a stream's records are written to: a table and its columns."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects import mysql

from target_mysql_replace.column_types import Property, Shape
from target_mysql_replace.convert import Family, family_of
from target_mysql_replace.names import quote

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine


@dataclasses.dataclass
class Column:
    """A column and the property it comes from.

    Attributes:
        name: the column's name in the table.
        source: the property's name in the records.
        prop: what the schema says about the property.
        sql_type: the column's type as the table has it.
        key: whether it is part of the stream's key.
        nullable: whether the column takes NULL.
        padded: whether the column compares text without regard to trailing spaces.
    """

    name: str
    source: str
    prop: Property
    sql_type: TypeEngine[Any]
    key: bool = False
    nullable: bool = True
    padded: bool = False

    @property
    def family(self) -> Family:
        """What kind of text the column takes; a text column of arrays or objects takes JSON (MariaDB has no other)."""
        family = family_of(self.sql_type)
        return Family.JSON if family is Family.TEXT and self.prop.shape is Shape.JSON else family

    @property
    def is_bits(self) -> bool:
        """Whether numbers have to be written as numbers, not as their digits."""
        return isinstance(self.sql_type, mysql.BIT)


@dataclasses.dataclass
class Table:
    """A table as one SCHEMA message needs it.

    Attributes:
        name: the table's name.
        database: the database it is in; None is the connection's own.
        columns: the columns that are written, in the order of the schema.
        replaces: the table whose place it takes at the end of an overwrite.
    """

    name: str
    database: str | None
    columns: list[Column]
    replaces: str | None = None

    @property
    def title(self) -> str:
        """The name people know the table by."""
        return self.replaces or self.name

    @property
    def quoted(self) -> str:
        """The name as SQL takes it."""
        return quote(self.name) if self.database is None else f"{quote(self.database)}.{quote(self.name)}"

    @property
    def keyed(self) -> bool:
        """Whether rows are replaced by key; a table without a key is appended to."""
        return any(column.key for column in self.columns)

    @property
    def column_list(self) -> str:
        """The columns in parentheses, quoted."""
        return "(" + ", ".join(quote(column.name) for column in self.columns) + ")"
