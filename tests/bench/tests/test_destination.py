"""Whether a loader wrote the right thing is found out in the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.bench import tickets
from tests.bench.destination import Destination
from tests.bench.peers import load_data

if TYPE_CHECKING:
    from pathlib import Path

    from tests import servers

ROWS = 300


@pytest.fixture
def loaded(
    mariadb: servers.Server, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Destination, tickets.Tickets]:
    """The tickets, loaded by the server's own client."""
    monkeypatch.setattr(tickets, "CACHE", tmp_path)
    destination, lines = Destination(mariadb, database), tickets.prepare(ROWS, 1)
    destination.reset(with_table=True)
    load_data.run(lines, destination)
    return destination, lines


def test_a_table_that_holds_the_input_has_no_differences(loaded: tuple[Destination, tickets.Tickets]) -> None:
    destination, lines = loaded
    assert destination.differences(lines) == []


def test_the_second_version_replaces_every_row(loaded: tuple[Destination, tickets.Tickets]) -> None:
    destination, lines = loaded
    second = tickets.prepare(ROWS, 2)
    assert destination.differences(second) != []
    measured = load_data.run(second, destination)
    assert destination.differences(second) == []
    assert measured.rows == lines.rows


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ("UPDATE tickets SET settled_total = settled_total + 0.00000001 LIMIT 1", "settled_total"),
        ("UPDATE tickets SET modified = modified + INTERVAL 1 MICROSECOND LIMIT 1", "modified"),
        ("UPDATE tickets SET remark = '' WHERE remark IS NULL LIMIT 1", "remark"),
        ("UPDATE tickets SET buyer_name = CONCAT(buyer_name, ' ') LIMIT 1", "buyer_name"),
        ("UPDATE tickets SET items = REPLACE(items, '\"count\":1', '\"count\":2') LIMIT 1", "items"),
    ],
)
def test_one_changed_value_is_found(loaded: tuple[Destination, tickets.Tickets], change: str, column: str) -> None:
    destination, lines = loaded
    with destination.server.connect(destination.database) as connection, connection.cursor() as cursor:
        assert cursor.execute(change) == 1
    assert destination.differences(lines) == [column]


def test_two_rows_that_swapped_their_values_are_found(loaded: tuple[Destination, tickets.Tickets]) -> None:
    destination, lines = loaded
    with destination.server.connect(destination.database) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id, buyer_phone FROM tickets LIMIT 2")
        (one, phone), (two, other_phone) = cursor.fetchall()
        cursor.execute(
            "UPDATE tickets SET buyer_phone = IF(id = %s, %s, %s) WHERE id IN (%s, %s)",
            (one, other_phone, phone, one, two),
        )
    assert destination.differences(lines) == ["buyer_phone"]


def test_a_missing_row_is_found(loaded: tuple[Destination, tickets.Tickets]) -> None:
    destination, lines = loaded
    with destination.server.connect(destination.database) as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM tickets LIMIT 1")
    assert destination.differences(lines)[0] == "rows"
