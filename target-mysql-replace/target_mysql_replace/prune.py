"""Deletes child rows that are older than their parent, in the transaction of the batch that made them so.

A child row carries its parent's version (its time of modification). Whoever comes first, the parent's new version or
the children's, once both are written a child row with an older version is one the parent no longer has. Every flush of
either table looks at the parents it touched; the first flush of a run looks at all of them.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from target_mysql_replace.convert import NULL, Family
from target_mysql_replace.names import literal, quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from target_mysql_replace.encode import Texts
    from target_mysql_replace.session import Session
    from target_mysql_replace.table import Table

#: Parents looked at in one statement.
_KEYS_A_STATEMENT = 1000


@dataclasses.dataclass(frozen=True)
class Rule:
    """One entry of the setting ``prune``.

    Attributes:
        child: the table whose rows go.
        parent: the table that decides; may be the child itself, then the newest row of each group decides.
        on: columns that join a child to its parent: (child's, parent's).
        version: the version's columns: (child's, parent's).
    """

    child: str
    parent: str
    on: tuple[tuple[str, str], ...]
    version: tuple[str, str]


def read_rules(setting: Mapping[str, Mapping[str, Any]] | None) -> list[Rule]:
    """Return the rules of the setting ``prune``: ``{child: {parent: …, on: {…}, version: {…}}}``."""
    return [
        Rule(
            child=child,
            parent=rule["parent"],
            on=tuple(rule["on"].items()),
            version=next(iter(rule["version"].items())),
        )
        for child, rule in (setting or {}).items()
    ]


def rules_of(rules: Iterable[Rule], table: str) -> list[Rule]:
    """Return the rules a flush of ``table`` has to see to."""
    return [rule for rule in rules if table in {rule.child, rule.parent}]


def delete_statement(rule: Rule, database: str | None, keys: Sequence[Sequence[str]] | None) -> str:
    """Return the DELETE for the given parents, or for all.

    Args:
        rule: what to prune.
        database: the database of both tables; None is the connection's own.
        keys: literals of the ``on`` columns, one list a parent; None is every parent.
    """
    prefix = "" if database is None else quote(database) + "."
    joined = ", ".join(quote(parent) for _, parent in rule.on)
    condition = ""
    if keys is not None:
        tuples = ", ".join("(" + ", ".join(key) + ")" for key in keys)
        condition = f" WHERE ({joined}) IN ({tuples})"
    newest = (
        f"SELECT {joined}, MAX({quote(rule.version[1])}) AS `newest version` FROM {prefix}{quote(rule.parent)}"  # noqa: S608 quoted
        f"{condition} GROUP BY {joined}"
    )
    on = " AND ".join(f"child.{quote(child)} = parent.{quote(parent)}" for child, parent in rule.on)
    return (
        f"DELETE child FROM {prefix}{quote(rule.child)} AS child JOIN ({newest}) AS parent ON {on} "
        f"WHERE child.{quote(rule.version[0])} < parent.`newest version`"
    )


def touched(rule: Rule, table: Table, texts: Texts) -> Iterator[list[list[str]]]:
    """Yield the parents a batch touched, as literals of the ``on`` columns, in groups for one statement each."""
    side = 0 if table.name == rule.child else 1
    wanted = [pair[side] for pair in rule.on]
    columns = {column.name: (column, texts[position]) for position, column in enumerate(table.columns)}
    if any(name not in columns for name in wanted):
        return
    rows = zip(*(columns[name][1] for name in wanted), strict=True)
    numbers = [columns[name][0].family is Family.INTEGER for name in wanted]
    keys = [
        # A number in quotes would keep the server from using the index.
        [text if number else literal(text) for text, number in zip(key, numbers, strict=True)]
        for key in dict.fromkeys(rows)
        if NULL not in key
    ]
    for start in range(0, len(keys), _KEYS_A_STATEMENT):
        yield keys[start : start + _KEYS_A_STATEMENT]


class Pruner:
    """Applies the rules after each flush.

    Args:
        rules: the setting.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        #: Rules whose every parent was looked at in this run.
        self._complete: set[Rule] = set()
        self._ready: set[Rule] = set()

    def concerns(self, table: str) -> bool:
        """Return whether a flush of ``table`` makes anything old."""
        return bool(rules_of(self._rules, table))

    def partners(self, table: str) -> set[str]:
        """Return the tables a flush of ``table`` reads or deletes from, besides itself."""
        return {name for rule in rules_of(self._rules, table) for name in (rule.child, rule.parent)} - {table}

    def prune(self, session: Session, table: Table, texts: Texts) -> list[Rule]:
        """Delete, inside the session's transaction, the child rows a batch made old.

        Returns:
            The rules that looked at all parents; :meth:`done` takes them once the transaction is committed.
        """
        complete = []
        for rule in rules_of(self._rules, table.name):
            if not self._is_ready(session, rule, table.database):
                continue
            if rule not in self._complete:
                session.execute(delete_statement(rule, table.database, None))
                complete.append(rule)
                continue
            for keys in touched(rule, table, texts):
                session.execute(delete_statement(rule, table.database, keys))
        return complete

    def done(self, rules: Iterable[Rule]) -> None:
        """Remember that these rules looked at every parent, and committed."""
        self._complete.update(rules)

    def _is_ready(self, session: Session, rule: Rule, database: str | None) -> bool:
        """Whether both tables and their columns exist (the other stream may not have come yet)."""
        if rule in self._ready:
            return True
        wanted = {(rule.child, child) for child, _ in rule.on} | {(rule.parent, parent) for _, parent in rule.on}
        wanted |= {(rule.child, rule.version[0]), (rule.parent, rule.version[1])}
        found = session.rows(
            "SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS "
            "WHERE TABLE_SCHEMA = COALESCE(%s, DATABASE()) AND TABLE_NAME IN (%s, %s)",
            (database, rule.child, rule.parent),
        )
        present = {(table, column.casefold()) for table, column in found}
        if {(table, column.casefold()) for table, column in wanted} <= present:
            self._ready.add(rule)
            return True
        return False
