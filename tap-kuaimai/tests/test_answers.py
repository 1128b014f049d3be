"""Answers that are not quite as documented: read where that is safe, refused where a row could be lost."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Runner

TICKETS = "aftersale_list_query"
ITEMS = "aftersale_list_query_items"


class Scripted:
    """A server that gives the same answer to every request.

    Attributes:
        body: the answer.
        url: where it listens.
    """

    def __init__(self) -> None:
        script = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.send_header("Content-Length", str(len(script.body)))
                self.end_headers()
                self.wfile.write(script.body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.body = b""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/router"
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}).start()

    def tickets(self, *rows: dict[str, Any]) -> None:
        """Answer with these tickets."""
        dated = [{"modified": 1773100800000, **row} for row in rows]
        self.body = json.dumps({"success": True, "total": len(rows), "list": dated}).encode()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def platform() -> Iterator[Scripted]:
    script = Scripted()
    yield script
    script.close()


def test_half_an_emoji_in_one_remark_does_not_make_its_window_unreadable(platform: Scripted, tap: Runner) -> None:
    """A text cut after half of a surrogate pair failed the whole window, run after run, as 'no JSON'."""
    platform.tickets({"id": 2**60 + 1, "remark": "ab\ud83dcd", "refundMoney": 0.10}, {"id": 2, "remark": "😀"})

    run = tap.run(TICKETS, api_url=platform.url, max_retries=0)

    tickets = run.by_id(TICKETS)
    assert run.failed is None
    assert tickets[2**60 + 1]["remark"] == "ab\ufffdcd"
    assert str(tickets[2**60 + 1]["refundMoney"]) == "0.1"
    assert tickets[2]["remark"] == "😀"


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_control_characters_and_a_byte_order_mark_are_read(platform: Scripted, tap: Runner, mark: bytes) -> None:
    """JSON forbids both, and one raw tab in a remark failed its window."""
    platform.tickets({"id": 1, "remark": "a@b"})
    platform.body = mark + platform.body.replace(b"@", b"\t")

    run = tap.run(TICKETS, api_url=platform.url, max_retries=0)

    assert [record["remark"] for record in run.records[TICKETS]] == ["a\tb"]


@pytest.mark.parametrize("cut", [b'{"success": true, "total": 1, "list": [{"id": 1, "remark": "\\ud83d', b"NaN", b"[]"])
def test_what_is_no_whole_answer_is_still_refused(platform: Scripted, tap: Runner, cut: bytes) -> None:
    platform.body = cut

    run = tap.run(TICKETS, api_url=platform.url, max_retries=0)

    assert run.failed
    assert run.records[TICKETS] == []


@pytest.mark.parametrize("nothing", ["", {}, None, []])
def test_an_empty_list_may_come_as_any_kind_of_nothing(platform: Scripted, tap: Runner, nothing: object) -> None:
    """`"list": ""` with `total: 0` failed the stream."""
    platform.body = json.dumps({"success": True, "total": 0, "list": nothing}).encode()

    run = tap.run(TICKETS, api_url=platform.url, max_retries=0)

    assert run.failed is None
    assert run.bookmark(TICKETS) == "2026-03-10T12:00:00+08:00"


def test_keys_that_do_not_fit_their_column_fail_the_stream_and_do_not_become_one_row(
    platform: Scripted, tap: Runner
) -> None:
    """Ids `A1` and `A2` of an integer column both became 0, and the window counted as proved."""
    platform.tickets({"id": "A1"}, {"id": "A2"})

    run = tap.run(TICKETS, api_url=platform.url)

    assert run.failed
    assert run.records[TICKETS] == []
    assert TICKETS not in run.state.get("bookmarks", {})


def test_elements_with_the_same_id_in_one_array_do_not_replace_each_other(platform: Scripted, tap: Runner) -> None:
    """A returned and a reissued item of one ticket with the same id became one row in the database."""
    one, other = {"id": 5, "type": 1}, {"id": 5, "type": 2}
    keyed = []
    for items in ([one, other], [other, one]):
        platform.tickets({"id": 1, "items": items})
        records = tap.run(ITEMS, api_url=platform.url).records[ITEMS]
        keyed.append({(record["aftersale_id"], record["id"]): record["type"] for record in records})

    assert keyed[0] == keyed[1]
    assert sorted(keyed[0].values()) == [1, 2]
    assert (1, 5) in keyed[0]
