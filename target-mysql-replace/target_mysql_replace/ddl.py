"""What has to change in a table so that a stream fits: a plan, and its SQL. Pure."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from sqlalchemy import types as sqltypes
from sqlalchemy.dialects import mysql

from target_mysql_replace.column_types import column_type, fit_key, fit_row, read_property
from target_mysql_replace.errors import OperatorError
from target_mysql_replace.names import column_names, literal, quote
from target_mysql_replace.table import Column
from target_mysql_replace.widen import wider_for_schema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.types import TypeEngine

_DIALECT = mysql.dialect()
#: Longest comments MySQL keeps, in characters.
_COLUMN_COMMENT, _TABLE_COMMENT = 1024, 2048


@dataclasses.dataclass(frozen=True)
class Existing:
    """A column as the table has it.

    Attributes:
        name: its name.
        sql_type: its type.
        nullable: whether it takes NULL.
        default: its default as SQL, or None.
        comment: its comment, or None.
        generated: whether the server computes it (GENERATED, AUTO_INCREMENT is not meant).
        auto_increment: whether the server numbers it.
        optional: whether a row may leave it out.
        collation: how it compares text; None where it is no text.
    """

    name: str
    sql_type: TypeEngine[Any]
    nullable: bool = True
    default: str | None = None
    comment: str | None = None
    generated: bool = False
    auto_increment: bool = False
    optional: bool = True
    collation: str | None = None

    @property
    def padded(self) -> bool:
        """Whether it compares text byte for byte, but without regard to trailing spaces."""
        return self._by_bytes and not (self.collation or "").endswith(("nopad_bin", "0900_bin"))

    @property
    def loose(self) -> bool:
        """Whether it takes different texts for equal, such as ``a`` and ``A``."""
        return self.collation is not None and not self._by_bytes

    @property
    def _by_bytes(self) -> bool:
        return (self.collation or "").endswith("_bin")


@dataclasses.dataclass
class Plan:
    """What a stream needs of its table.

    Attributes:
        columns: the columns to write, with the types they have or will get.
        add: those the table lacks.
        modify: existing ones that need a wider type.
        left_out: properties without a column, because the table must not be altered or the server computes the column.
    """

    columns: list[Column]
    add: list[Column] = dataclasses.field(default_factory=list)
    modify: list[tuple[Existing, TypeEngine[Any]]] = dataclasses.field(default_factory=list)
    left_out: list[str] = dataclasses.field(default_factory=list)


def plan(
    schema: Mapping[str, Any], key_properties: Sequence[str], existing: Sequence[Existing], *, evolve: bool
) -> Plan:
    """Return what a stream needs of its table.

    Args:
        schema: the stream's schema.
        key_properties: its key.
        existing: the table's columns; empty where the table is to be made.
        evolve: whether an existing table may be altered.
    """
    wanted = _wanted(schema, key_properties, [column.name for column in existing])
    present = {column.name: column for column in existing}
    made = Plan(columns=[])
    for column in wanted:
        found = present.get(column.name)
        if found is None and (evolve or not existing):
            made.add.append(column)
        elif found is None or found.generated:
            made.left_out.append(column.source)
            continue
        else:
            wider = wider_for_schema(found.sql_type, column.prop, key=column.key) if evolve else None
            if wider is not None:
                made.modify.append((found, wider))
            column = dataclasses.replace(column, sql_type=wider or found.sql_type)  # noqa: PLW2901 the same column
        made.columns.append(column)
    return made


def _wanted(schema: Mapping[str, Any], key_properties: Sequence[str], existing: Sequence[str]) -> list[Column]:
    """The columns of a stream with the types a new table would give them."""
    properties = schema["properties"]
    names = column_names(properties, existing)
    props = {name: read_property(value, schema) for name, value in properties.items()}
    types = {name: column_type(prop, key=name in key_properties) for name, prop in props.items()}
    types.update(fit_key({name: types[name] for name in key_properties}))
    types = fit_row(types, key_properties)
    return [Column(names[name], name, props[name], types[name], key=name in key_properties) for name in properties]


def check_existing(
    table: str, existing: Sequence[Existing], unique: Sequence[Sequence[str]], planned: Plan
) -> list[str]:
    """Check that an existing table can take the stream.

    Args:
        table: its name.
        existing: its columns.
        unique: the columns of its primary key and of each unique index.
        planned: what the stream needs.

    Returns:
        Warnings for the operator.

    Raises:
        OperatorError: rows would be doubled, lost or refused one and all.
    """
    written = {column.name for column in planned.columns}
    for column in existing:
        if column.name not in written and not column.optional:
            raise OperatorError(
                f"Column '{column.name}' of table '{table}' is NOT NULL without a default, and the stream does not "
                "have it. "
                "Give it a default."
            )
    keys = {column.name for column in planned.columns if column.key}
    if not keys:
        return []
    sets = [set(columns) for columns in unique]
    if any(columns < keys for columns in sets):
        narrow = next(columns for columns in sets if columns < keys)
        raise OperatorError(
            f"Table '{table}' is unique by {_list(narrow)}, the stream's key is {_list(keys)}: rows would replace "
            "each other. "
            "Make the key of the table that of the stream."
        )
    if not any(columns >= keys for columns in sets):
        raise OperatorError(
            f"Table '{table}' has no primary or unique key on {_list(keys)}: every run would add its rows again. "
            "Add the key."
        )
    warnings = []
    if keys not in sets:
        warnings.append(
            f"The key of table '{table}' has more columns than the stream's key {_list(keys)}: a row whose other "
            "key column "
            "changes is added, not replaced."
        )
    warnings += [
        f"Table '{table}' is also unique by {_list(columns)}: a record with the same value there takes the other "
        "row's place."
        for columns in sets
        if not columns >= keys
    ]
    warnings += [
        f"Key column '{column.name}' of table '{table}' compares by {column.collation}: of two keys that differ "
        "only in case, accents or the like, the later record takes the other's place. Give it a binary collation."
        for column in existing
        if column.name in keys and column.loose
    ]
    return warnings


def _list(names: set[str]) -> str:
    return "(" + ", ".join(sorted(names)) + ")"


def create_statement(table: str, planned: Plan, *, comment: str | None, collation: str) -> str:
    """Return CREATE TABLE IF NOT EXISTS.

    Args:
        table: the table's name, quoted.
        planned: its columns.
        comment: text for people.
        collation: the collation of its texts.
    """
    lines = [f"  {column_clause(column)}" for column in planned.columns]
    keys = [quote(column.name) for column in planned.columns if column.key]
    if keys:
        lines.append(f"  PRIMARY KEY ({', '.join(keys)})")
    body = ",\n".join(lines)
    tail = f" COMMENT = {_text(comment[:_TABLE_COMMENT])}" if comment else ""
    return (
        f"CREATE TABLE IF NOT EXISTS {table} (\n{body}\n) ENGINE = InnoDB ROW_FORMAT = DYNAMIC "
        f"DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}{tail}"
    )


def alter_statement(table: str, planned: Plan, collation: str) -> str | None:
    """Return ALTER TABLE for what a plan adds and widens, or None where there is nothing to do."""
    clauses = [f"ADD COLUMN {column_clause(column, collation)}" for column in planned.add]
    clauses += [modify_clause(column, wider) for column, wider in planned.modify]
    return f"ALTER TABLE {table} " + ", ".join(clauses) if clauses else None


def column_clause(column: Column, collation: str | None = None) -> str:
    """Return a new column's definition."""
    text = isinstance(column.sql_type, sqltypes.String)
    collate = f" CHARACTER SET utf8mb4 COLLATE {collation}" if collation and text else ""
    null = "NOT NULL" if column.key else "NULL"
    note = _note(column)
    comment = f" COMMENT {_text(note)}" if note else ""
    return f"{quote(column.name)} {type_sql(column.sql_type)}{collate} {null}{comment}"


def modify_clause(column: Existing, wider: TypeEngine[Any]) -> str:
    """Return MODIFY COLUMN with a wider type and everything else as it was."""
    collation = getattr(column.sql_type, "collation", None)
    collate = f" COLLATE {collation}" if collation and isinstance(wider, sqltypes.String) else ""
    null = "NULL" if column.nullable else "NOT NULL"
    # A LONGTEXT takes no default, and an automatic one needs no word.
    takes_default = column.default is not None and not isinstance(wider, sqltypes.Text)
    default = f" DEFAULT {column.default}" if takes_default else ""
    auto = " AUTO_INCREMENT" if column.auto_increment else ""
    comment = f" COMMENT {_text(column.comment)}" if column.comment else ""
    return f"MODIFY COLUMN {quote(column.name)} {type_sql(wider)}{collate} {null}{default}{auto}{comment}"


def type_sql(sql_type: TypeEngine[Any]) -> str:
    """Return a type as MySQL writes it."""
    return str(sql_type.compile(dialect=_DIALECT))


def _note(column: Column) -> str:
    """The column's comment: its description, and the property's name where the column could not keep it."""
    renamed = f"[{column.source}] " if column.name != column.source else ""
    return (renamed + (column.prop.description or "")).strip()[:_COLUMN_COMMENT]


def _text(value: str) -> str:
    """A literal for a comment, which takes no characters beyond U+FFFF."""
    plain = "".join(character if character <= "\uffff" and character.isprintable() else " " for character in value)
    return literal(plain)
