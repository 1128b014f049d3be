"""Child rows their parent no longer has disappear, whatever the order of the streams and of the crashes."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import Loading, Message

_STAMP = {"type": ["string", "null"], "format": "date-time"}
_ID = {"type": "integer"}
PRUNE = {"items": {"parent": "tickets", "on": {"ticket_id": "id"}, "version": {"ticket_modified": "modified"}}}
WIDE = {"wide": {"parent": "wide", "on": {"id": "id"}, "version": {"modified": "modified"}}}


def _at(version: int) -> str:
    return f"2026-01-01T00:{version:02d}:00+08:00"


def _ticket(number: int, version: int) -> dict[str, Any]:
    return {"id": number, "modified": _at(version)}


def _items(number: int, version: int, count: int) -> list[dict[str, Any]]:
    return [{"ticket_id": number, "item": item, "ticket_modified": _at(version)} for item in range(count)]


def _schemas(loading: Loading) -> list[Message]:
    return [
        loading.schema("tickets", {"id": _ID, "modified": _STAMP}, "id"),
        loading.schema("items", {"ticket_id": _ID, "item": _ID, "ticket_modified": _STAMP}, "ticket_id", "item"),
    ]


def _left(loading: Loading) -> list[tuple[int, int]]:
    return loading.rows("SELECT ticket_id, item FROM items ORDER BY 1, 2")


@pytest.mark.parametrize("children_first", [True, False])
@pytest.mark.parametrize("method", ["load_data", "replace", "upsert"])
def test_items_that_shrink_to_two_and_to_none_leave_exactly_the_current_ones(
    loading: Loading,
    method: str,
    children_first: bool,  # noqa: FBT001 a parameter of the test
) -> None:
    for version, count in ((1, 5), (2, 2), (3, 0), (4, 3)):
        streams = [
            loading.records("tickets", _ticket(7, version), _ticket(8, 1)),
            loading.records("items", *_items(7, version, count), *_items(8, 1, 2)),
        ]
        if children_first:
            streams.reverse()
        loading.load(
            [*_schemas(loading), *streams[0], *streams[1]], prune=PRUNE, write_method=method, batch_size_rows=1
        )
        assert _left(loading) == [(7, item) for item in range(count)] + [(8, 0), (8, 1)]


def test_any_interleaving_of_versions_and_streams_ends_with_the_current_items(loading: Loading) -> None:
    numbers = random.Random(5)
    for _ in range(4):
        events, current = [], {}
        for number in range(6):
            for version in range(1, 4):
                count = numbers.randrange(4)
                current[number] = count
                events.append((version, numbers.random(), loading.records("tickets", _ticket(number, version))))
                events.append((version, numbers.random(), loading.records("items", *_items(number, version, count))))
        # A tap reads versions in order; which of the two streams of one version is flushed first is chance.
        messages = [message for *_, group in sorted(events, key=lambda event: event[:2]) for message in group]
        loading.load([*_schemas(loading), *messages], prune=PRUNE, batch_size_rows=numbers.randrange(1, 5))
        assert _left(loading) == [(number, item) for number, count in current.items() for item in range(count)]
        loading.execute("DELETE FROM items", "DELETE FROM tickets")


def test_what_was_left_by_a_run_that_broke_off_is_pruned_by_the_next(loading: Loading) -> None:
    # The run died between the flush of one stream and that of the other; or it ran without the setting.
    messages = [
        *_schemas(loading),
        *loading.records("tickets", _ticket(1, 1)),
        *loading.records("items", *_items(1, 1, 3)),
    ]
    loading.load(messages)
    loading.load([*_schemas(loading), *loading.records("items", *_items(1, 2, 1))])
    assert len(_left(loading)) == 3
    loading.load([*_schemas(loading), *loading.records("tickets", _ticket(1, 2), _ticket(2, 1))], prune=PRUNE)
    assert _left(loading) == [(1, 0)]


def test_rows_of_another_ticket_and_newer_rows_stay(loading: Loading) -> None:
    loading.load(
        [
            *_schemas(loading),
            *loading.records("items", *_items(1, 5, 2), *_items(2, 1, 2)),
            *loading.records("tickets", _ticket(1, 4)),
        ],
        prune=PRUNE,
    )
    assert _left(loading) == [(1, 0), (1, 1), (2, 0), (2, 1)]


def test_a_wide_table_is_its_own_parent(loading: Loading) -> None:
    prop = {"id": _ID, "items_id": {"type": "string"}, "modified": _STAMP}
    schema = loading.schema("wide", prop, "id", "items_id")
    for version, items in ((1, "abcde"), (2, "bd"), (3, ""), (4, "xy")):
        # A ticket without items keeps one row with an empty item, as `keep_empty` of an exploding mapper makes it.
        rows = [{"id": 5, "items_id": item, "modified": _at(version)} for item in items or [""]]
        other = {"id": 6, "items_id": "z", "modified": _at(1)}
        loading.load([schema, *loading.records("wide", other, *rows)], prune=WIDE, batch_size_rows=2)
        left = loading.rows("SELECT id, items_id FROM wide ORDER BY 1, 2")
        assert left == [*((5, item) for item in items or [""]), (6, "z")]


def test_the_delete_finds_its_rows_by_an_index(loading: Loading) -> None:
    child = loading.schema("items", {"item": _ID, "ticket_id": _ID, "ticket_modified": _STAMP}, "item", "ticket_id")
    loading.load([_schemas(loading)[0], child], prune=PRUNE)
    indexed = {row[4] for row in loading.rows("SHOW INDEX FROM items") if row[3] == 1}
    assert "ticket_id" in indexed


def test_pruning_waits_for_tables_that_do_not_exist_yet(loading: Loading) -> None:
    loading.load([_schemas(loading)[0], *loading.records("tickets", _ticket(1, 1))], prune=PRUNE)
    assert loading.rows("SELECT COUNT(*) FROM tickets") == [(1,)]
