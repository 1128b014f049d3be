"""Makes a table fit a stream: looks at it, plans (:mod:`target_mysql_replace.ddl`) and runs the plan."""

from __future__ import annotations

import dataclasses
import logging
import warnings
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from target_mysql_replace import ddl
from target_mysql_replace.ddl import Existing
from target_mysql_replace.errors import OperatorError, server_error
from target_mysql_replace.locks import hold
from target_mysql_replace.names import quote, table_with_hash, with_hash
from target_mysql_replace.prune import Rule, rules_of
from target_mysql_replace.table import Table
from target_mysql_replace.widen import wider

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_mysql_replace.encode import Texts
    from target_mysql_replace.session import Session
    from target_mysql_replace.table import Column

_LOGGER = logging.getLogger("target-mysql-replace")
_ROW_TOO_LARGE, _DUPLICATE_COLUMN = 1118, 1060


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What a stream asks of the database.

    Attributes:
        stream: its name.
        schema: its JSON Schema.
        key_properties: its key; empty for a table that is appended to.
        table: name of the table.
        database: where it is; None is the connection's own.
        evolve: whether an existing table may be altered.
        replaces: the table whose place this one takes at the end of an overwrite.
    """

    stream: str
    schema: Mapping[str, Any]
    key_properties: Sequence[str]
    table: str
    database: str | None
    evolve: bool
    replaces: str | None = None


def look_at(session: Session, table: str, database: str | None) -> tuple[list[Existing], list[list[str]]] | None:
    """Return a table's columns and the columns of its unique keys, or None where it does not exist."""
    with session.sqlalchemy() as connection:
        inspector = sa.inspect(connection)
        if not inspector.has_table(table, schema=database):
            return None
        with warnings.catch_warnings():
            # A type SQLAlchemy does not know (INET6, GEOMETRY) is left to the server.
            warnings.simplefilter("ignore", sa.exc.SAWarning)
            reflected = inspector.get_columns(table, schema=database)
        primary = inspector.get_pk_constraint(table, schema=database)["constrained_columns"]
        indexes = inspector.get_indexes(table, schema=database)
    facts = _facts(session, table, database)
    columns = [
        Existing(
            name=column["name"],
            sql_type=column["type"],
            nullable=column["nullable"],
            default=column["default"],
            comment=column.get("comment"),
            generated="computed" in column,
            auto_increment=column.get("autoincrement") is True,
            **facts.get(column["name"], {}),
        )
        for column in reflected
    ]
    unique = [_unique_parts(index) for index in indexes if index["unique"]]
    return columns, [primary, *unique] if primary else unique


def _facts(session: Session, table: str, database: str | None) -> dict[str, Any]:
    """What the table's definition does not say, or says in words SQLAlchemy does not read (INVISIBLE)."""
    found = session.rows(
        "SELECT COLUMN_NAME, IS_NULLABLE = 'YES' OR COLUMN_DEFAULT IS NOT NULL OR EXTRA <> '', COLLATION_NAME "
        "FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = COALESCE(%s, DATABASE()) AND TABLE_NAME = %s",
        (database, table),
    )
    return {name: {"optional": bool(optional), "collation": collation} for name, optional, collation in found}


def _unique_parts(index: Any) -> list[str]:  # noqa: ANN401 SQLAlchemy's dictionary
    """The columns of an index; one of which only the beginning is unique is no column of ours."""
    lengths = index.get("dialect_options", {}).get("mysql_length", {})
    return [f"{name}({lengths[name]})" if name in lengths else str(name) for name in index["column_names"]]


def prepare_table(session: Session, wanted: Wanted) -> tuple[Table, list[str]]:
    """Make or alter the stream's table.

    Args:
        session: holding the table's lock.
        wanted: what the stream asks.

    Returns:
        The table with the types its columns have, and the properties that have no column in it.

    Raises:
        OperatorError: the table cannot take the stream.
    """
    if wanted.database is not None:
        _prepare_database(session, wanted.database)
    table = Table(wanted.table, wanted.database, [], wanted.replaces)
    found = look_at(session, wanted.table, wanted.database)
    planned = ddl.plan(wanted.schema, wanted.key_properties, found[0] if found else (), evolve=wanted.evolve)
    if found is None:
        _create(session, table, planned, wanted.schema.get("description"))
    else:
        missing = [name for name in wanted.key_properties if name in planned.left_out]
        if missing:
            raise OperatorError(
                f"Table '{wanted.table}' has no column that could take the key {', '.join(missing)} of stream "
                f"'{wanted.stream}'. Add it to the table's key, or let schema_evolution be 'evolve'."
            )
        for warning in ddl.check_existing(wanted.table, *found, planned):
            _LOGGER.warning(warning)
        if statement := ddl.alter_statement(table.quoted, planned, session.server.collation):
            _alter(session, statement)
    # The server may have made another type of it (MariaDB's JSON is LONGTEXT), or another writer was faster.
    now = look_at(session, wanted.table, wanted.database)
    present = {column.name: column for column in now[0]} if now else {}
    table.columns = [as_it_is(column, present.get(column.name)) for column in planned.columns]
    session.driver.commit()
    return table, planned.left_out


def as_it_is(column: Column, found: Existing | None) -> Column:
    """Return ``column`` with what the table says about it."""
    if found is None:
        return column
    return dataclasses.replace(column, sql_type=found.sql_type, nullable=found.nullable, padded=found.padded)


def begin_overwrite(session: Session, table: str, database: str | None) -> str:
    """Make the empty table an overwrite loads into, shaped like the one it will replace; return its name."""
    staging = table_with_hash(f"{table}__new", f"{table}__new")
    # Until the end of the run: another overwrite would load into the same table.
    hold(session, database, staging)
    session.execute(f"DROP TABLE IF EXISTS {Table(staging, database, []).quoted}")
    if look_at(session, table, database) is not None:
        session.execute(f"CREATE TABLE {Table(staging, database, []).quoted} LIKE {Table(table, database, []).quoted}")
    return staging


def finish_overwrite(session: Session, table: str, staging: str, database: str | None, *, again: bool) -> None:
    """Put the loaded table in the place of the old one: one RENAME, so that readers see either of them whole.

    Args:
        session: holding the table's lock.
        table: the table to replace.
        staging: the loaded one.
        database: where both are.
        again: whether it was tried before; then the RENAME may have happened although its answer was lost.
    """
    if again and look_at(session, staging, database) is None:
        return
    old = Table(table_with_hash(f"{table}__old", f"{table}__old"), database, []).quoted
    new, place = Table(staging, database, []).quoted, Table(table, database, []).quoted
    session.execute(f"DROP TABLE IF EXISTS {old}")
    if look_at(session, table, database) is None:
        session.execute(f"RENAME TABLE {new} TO {place}")
        return
    session.execute(f"RENAME TABLE {place} TO {old}, {new} TO {place}")
    session.execute(f"DROP TABLE {old}")


def widen(session: Session, table: Table, texts: Texts) -> list[str]:
    """Widen the columns that cannot hold ``texts``, and remember their new types in ``table``.

    Args:
        session: holding the table's lock, outside a transaction (ALTER TABLE commits).
        table: the table.
        texts: what is to be written.

    Returns:
        Names of the columns that are wider than they were thought to be.
    """
    found = look_at(session, table.name, table.database)
    present = {column.name: column for column in found[0]} if found else {}
    changes = []
    known = []
    for column, values in zip(table.columns, texts, strict=True):
        existing = present.get(column.name)
        if existing is None:
            continue
        grown = wider(existing.sql_type, values, key=column.key)
        if grown is not None:
            changes.append((existing, grown))
        elif repr(existing.sql_type) != repr(column.sql_type):
            # Another writer, or another stream of this one, has widened it since it was looked at.
            known.append(column.name)
        column.sql_type = grown or existing.sql_type
    if changes:
        _LOGGER.info(
            "Widening table '%s': %s",
            table.name,
            ", ".join(f"{existing.name} {ddl.type_sql(grown)}" for existing, grown in changes),
        )
        statement = ddl.alter_statement(table.quoted, ddl.Plan([], modify=changes), session.server.collation)
        _alter(session, str(statement))
    return [*known, *(existing.name for existing, _ in changes)]


def prepare_prune(session: Session, table: Table, rules: Sequence[Rule]) -> None:
    """Give a pruned table the index its DELETE needs, unless one begins with the joining columns already."""
    for rule in rules_of(rules, table.name):
        if rule.child != table.name:
            continue
        wanted = [child for child, _ in rule.on]
        with session.sqlalchemy() as connection:
            inspector = sa.inspect(connection)
            indexes = [inspector.get_pk_constraint(table.name, schema=table.database)["constrained_columns"]]
            found = inspector.get_indexes(table.name, schema=table.database)
            indexes += [[str(name) for name in index["column_names"]] for index in found]
        names = {column.name for column in table.columns}
        if set(wanted) <= names and not any(index[: len(wanted)] == wanted for index in indexes):
            columns = ", ".join(map(quote, wanted))
            session.execute(f"ALTER TABLE {table.quoted} ADD INDEX {quote(with_hash('prune', columns))} ({columns})")


def _prepare_database(session: Session, database: str) -> None:
    found = session.rows("SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s", (database,))
    if not found:
        session.execute(f"CREATE DATABASE IF NOT EXISTS {quote(database)} DEFAULT CHARACTER SET utf8mb4")


def _create(session: Session, table: Table, planned: ddl.Plan, comment: str | None) -> None:
    if not planned.columns:
        raise OperatorError(f"The SCHEMA of table '{table.name}' has no properties: there is nothing to load.")
    statement = ddl.create_statement(table.quoted, planned, comment=comment, collation=session.server.collation)
    try:
        session.execute(statement)
    except Exception as error:
        found = server_error(error)
        if found is None or found[0] != _ROW_TOO_LARGE:
            raise
        # InnoDB counts what a row might take at most; it stores any row that does fit its page.
        session.execute("SET SESSION innodb_strict_mode = 0")
        session.execute(statement)
        session.execute("SET SESSION innodb_strict_mode = 1")


def _alter(session: Session, statement: str) -> None:
    try:
        session.execute(statement)
    except Exception as error:
        found = server_error(error)
        if found is None or found[0] != _DUPLICATE_COLUMN:
            raise
        # A writer without GET_LOCK added it in this moment; the table is looked at again in any case.
        _LOGGER.info("Another writer altered the table at the same time.")
