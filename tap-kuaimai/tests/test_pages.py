"""Lists that do not say how many rows they have, and lists without a window: no row may be missing from them either."""

from __future__ import annotations

import json
import random
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Runner

HAS_NEXT = "goods_section_in_out_record_query"
EMPTY_PAGE = "shop_list_query"
KEYS = {HAS_NEXT: "id", EMPTY_PAGE: "userId", "brand_list_get": "brandId", "warehouse_list_query": "id"}
ROWS = 57
PAGE = 10


class Book:
    """A server with one list.

    Attributes:
        ids: keys of its rows, in order.
        requests: page numbers that were asked for.
        before: called before each answer with the number of the request, from 0.
        spoil: called with the number of the request and the answer, which it may change.
        most: rows a page at most, whatever was asked for.
    """

    def __init__(self) -> None:
        book = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
                body = json.dumps(book.answer(form)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.ids = list(range(1, ROWS + 1))
        self.requests: list[int] = []
        self.before: Callable[[int], object] = lambda _: None
        self.spoil: Callable[[int, dict[str, Any]], object] = lambda *_: None
        self.most = 1000
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/router"
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}).start()

    def within(self, form: dict[str, str]) -> list[int]:
        """The keys in a window, where one is asked for: row n happened n minutes after midnight."""
        if "operateStartTime" not in form:
            return self.ids
        start, end = form["operateStartTime"], form["operateEndTime"]
        return [id_ for id_ in self.ids if start <= f"2026-03-09 00:{id_:02}:00" <= end]

    def answer(self, form: dict[str, str]) -> dict[str, Any]:
        """What one request gets."""
        number, page = len(self.requests), int(form.get("pageNo", 1))
        self.requests.append(page)
        self.before(number)
        stream = form["method"].removeprefix("erp.").replace(".", "_")
        size = min(int(form.get("pageSize", 1000)), self.most)
        ids = self.within(form)
        listed = [{KEYS[stream]: id_} for id_ in ids[(page - 1) * size : page * size]]
        answer: dict[str, Any] = {"success": True, "items" if stream == "brand_list_get" else "list": listed}
        if stream == "brand_list_get":
            answer["total"] = len(self.ids)
        if stream == HAS_NEXT:
            answer["hasNext"] = page * size < len(ids)
        self.spoil(number, answer)
        return answer

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def book() -> Iterator[Book]:
    """A server with one list."""
    served = Book()
    yield served
    served.close()


def read(tap: Runner, book: Book, stream: str) -> set[int]:
    run = tap.run(stream, api_url=book.url, page_size=PAGE, start_date="2026-03-09")
    assert run.failed is None
    return {int(key) for key in run.by_id(stream, KEYS[stream])}


def omit(answer: dict[str, Any]) -> None:
    del answer["list"]


def empty(answer: dict[str, Any]) -> None:
    answer["list"] = []


def shorten(answer: dict[str, Any]) -> None:
    answer["list"] = answer["list"][:-1]


def test_a_whole_list_without_a_total_costs_its_pages_and_two_more_requests(book: Book, tap: Runner) -> None:
    assert read(tap, book, EMPTY_PAGE) == set(book.ids)
    assert book.requests == [1, 2, 3, 4, 5, 6, 7, 6]


def test_a_window_without_a_total_is_split_until_each_piece_is_one_answer(book: Book, tap: Runner) -> None:
    assert read(tap, book, HAS_NEXT) == set(book.ids)
    assert set(book.requests) == {1}


@pytest.mark.parametrize("stream", [HAS_NEXT, EMPTY_PAGE])
@pytest.mark.parametrize("spoil", [omit, empty, shorten])
@pytest.mark.parametrize("number", [0, 2, 5])
def test_an_answer_that_lacks_rows_does_not_shorten_a_list_without_a_total(
    book: Book, tap: Runner, stream: str, spoil: Callable[[dict[str, Any]], None], number: int
) -> None:
    book.spoil = lambda one, answer: spoil(answer) if one == number else None

    assert read(tap, book, stream) == set(book.ids)


@pytest.mark.parametrize("number", [1, 3, 5])
def test_a_row_that_leaves_a_window_without_a_total_hides_no_other(book: Book, tap: Runner, number: int) -> None:
    book.before = lambda one: book.ids.pop(0) if one == number else None

    assert read(tap, book, HAS_NEXT) >= set(book.ids)


def test_a_list_that_is_in_another_order_at_every_call_is_read_until_all_its_rows_have_come(
    book: Book, tap: Runner
) -> None:
    shuffled = random.Random(1)
    book.ids = book.ids[: PAGE * 2 - 1]
    book.before = lambda _: shuffled.shuffle(book.ids)

    assert read(tap, book, "brand_list_get") == set(book.ids)


@pytest.mark.parametrize("stream", [HAS_NEXT, EMPTY_PAGE, "brand_list_get"])
def test_pages_may_be_smaller_than_was_asked_for(book: Book, tap: Runner, stream: str) -> None:
    book.most = 7

    assert read(tap, book, stream) == set(book.ids)


def test_an_api_that_does_not_know_pages_is_not_asked_for_ever(book: Book, tap: Runner) -> None:
    book.spoil = lambda _, answer: answer.update(list=[{"userId": id_} for id_ in book.ids])

    assert read(tap, book, EMPTY_PAGE) == set(book.ids)
    assert len(book.requests) == 2


def test_a_list_that_comes_at_once_is_asked_for_again_if_it_is_empty(book: Book, tap: Runner) -> None:
    book.spoil = lambda one, answer: empty(answer) if one == 0 else None

    assert read(tap, book, "warehouse_list_query") == set(book.ids)
