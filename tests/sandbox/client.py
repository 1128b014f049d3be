"""Starting a stand-in from a test, and steering it."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from tests.sandbox.kuaimai.session import ACCESS_TOKEN, APP_KEY, APP_SECRET, REFRESH_TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from typing_extensions import Self

REPOSITORY = Path(__file__).parents[2]
TICKETS = "erp.aftersale.list.query"


class SandboxProcess(AbstractContextManager["SandboxProcess"]):
    """A stand-in in a process of its own, for the length of a ``with`` block.

    Attributes:
        url: What a tap is pointed at (its ``api_url``).
        origin: Scheme, host and port.
    """

    platform: str

    def __init__(self, *arguments: str, seed: int = 1, now: str | None = None, port: int = 0) -> None:
        self._arguments = [f"--seed={seed}", f"--port={port}", *arguments]
        if now is not None:
            self._arguments.append(f"--now={now}")
        self.url = ""
        self.origin = ""

    def __enter__(self) -> Self:
        """Start the process and wait until it listens."""
        command = [sys.executable, "-m", "tests.sandbox", self.platform, "--until-stdin-closes", *self._arguments]
        self._process = subprocess.Popen(
            command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._http = requests.Session()
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the {self.platform} sandbox did not start (exit code {self._process.wait()})")
        self.url = line.split()[-1]
        self.origin = "/".join(self.url.split("/")[:3])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the process."""
        self._http.close()
        self._process.terminate()
        self._process.communicate()

    def control(self, path: str, order: dict[str, Any] | None = None, *, verb: str | None = None) -> Any:  # noqa: ANN401
        """Call the control interface and return its JSON answer.

        Args:
            path: What follows ``/_control/``, with its query.
            order: The JSON to post; None reads.
            verb: Another HTTP verb than POST or GET.

        Raises:
            requests.HTTPError: The order was refused; the message says why.
        """
        response = self._http.request(
            verb or ("GET" if order is None else "POST"), f"{self.origin}/_control/{path}", json=order, timeout=60
        )
        if not response.ok:
            raise requests.HTTPError(response.text, response=response)
        return response.json()

    def now_ms(self) -> int:
        """Return the stand-in's clock in epoch ms."""
        return int(self.control("clock")["now_ms"])

    def now(self) -> str:
        """Return the stand-in's clock as ``yyyy-MM-dd HH:mm:ss`` in Beijing."""
        return str(self.control("clock")["now"])

    def set_clock(self, now: str | int, *, frozen: bool | None = None) -> None:
        """Jump to an instant: epoch ms, or ISO text (Beijing without an offset)."""
        self.control("clock", {"now": now} if frozen is None else {"now": now, "frozen": frozen})

    def advance(self, seconds: float) -> None:
        """Jump ahead."""
        self.control("clock", {"advance_seconds": seconds})

    def freeze(self, *, frozen: bool = True) -> None:
        """Stop the clock, or let it run again."""
        self.control("clock", {"frozen": frozen})

    def set_latency(self, seconds: float) -> None:
        """Let every answer take this long."""
        self.control("latency", {"seconds": seconds})

    def fault(
        self,
        kind: str,
        *,
        api: str | None = None,
        page: int | None = None,
        at: int = 1,
        times: int | None = 1,
        probability: float = 1.0,
        **args: object,
    ) -> None:
        """Order a fault; README.md tells the kinds, `faults.Fault` the fields."""
        order = {"kind": kind, "api": api, "page": page, "at": at, "times": times, "probability": probability}
        self.control("faults", {**order, "args": args})

    def faults(self) -> list[dict[str, Any]]:
        """Return the faults in force, with how often each has ``fired``."""
        return list(self.control("faults"))

    def clear_faults(self) -> None:
        """Drop every fault."""
        self.control("faults", verb="DELETE")

    def requests(self, *, api: str | None = None, after: int = 0) -> list[dict[str, Any]]:
        """Return the request log, oldest first; fields as in `app.Logged`."""
        lines: list[dict[str, Any]] = self.control(f"requests?after={after}")
        return [line for line in lines if api is None or line["api"] == api]

    def clear_requests(self) -> None:
        """Empty the request log."""
        self.control("requests", verb="DELETE")

    def set_options(self, **switches: object) -> None:
        """Set switches of the platform; README.md tells which there are."""
        self.control("options", dict(switches))

    def reset(self) -> None:
        """Drop faults, scripted events, latency and the log; set switches back. The data stay."""
        self.control("reset", {})


class KuaimaiSandbox(SandboxProcess):
    """The 快麦 gateway; `url` is what a tap's ``api_url`` is set to."""

    platform = "kuaimai"
    app_key = APP_KEY
    app_secret = APP_SECRET
    access_token = ACCESS_TOKEN
    refresh_token = REFRESH_TOKEN

    def __init__(
        self,
        *,
        tickets: int = 200,
        trades: int = 100,
        days: int = 3,
        seed: int = 1,
        now: str | None = None,
        port: int = 0,
        state_file: Path | None = None,
    ) -> None:
        arguments = [f"--tickets={tickets}", f"--trades={trades}", f"--days={days}"]
        if state_file:
            arguments.append(f"--state-file={state_file}")
        super().__init__(*arguments, seed=seed, now=now, port=port)

    def change(
        self,
        *,
        ids: list[int] | None = None,
        count: int = 1,
        api: str = TICKETS,
        modified: str | int | None = None,
        **fields: object,
    ) -> list[int]:
        """Give rows a new version, and return their ids.

        Args:
            ids: Which rows; None takes ``count`` of them by chance.
            count: How many.
            api: Whose rows.
            modified: Their new modification instant (default: now).
            fields: The fields to set; none lets a ticket move on as in life.
        """
        order = {"op": "change", "api": api, "ids": ids, "count": count, "modified": modified, "set": fields or None}
        return self._changes(order)

    def insert(
        self,
        count: int = 1,
        *,
        api: str = TICKETS,
        created: str | int | None = None,
        modified: str | int | None = None,
        visible_in_seconds: float | None = None,
        **fields: object,
    ) -> list[int]:
        """Insert rows, and return their ids.

        Args:
            count: How many.
            api: Into which table.
            created: Their creation instant (default: ``modified``).
            modified: Their modification instant (default: now).
            visible_in_seconds: How long after the present of the stand-in's clock they are to be found.
            fields: The fields to set.
        """
        order = {"op": "insert", "api": api, "count": count, "created": created, "modified": modified, "set": fields}
        return self._changes({**order, "visible_in_seconds": visible_in_seconds})

    def delete(self, ids: list[int], *, api: str = TICKETS) -> list[int]:
        """Take rows away for good."""
        return self._changes({"op": "delete", "api": api, "ids": ids})

    def shrink(self, row_id: int, keep: int = 0) -> None:
        """Leave a ticket only its first ``keep`` items, modified now."""
        self._changes({"op": "shrink", "ids": [row_id], "keep": keep})

    def live(self, new: int = 20, changed: int = 40) -> list[int]:
        """Let business go on since the last call (or the start): new tickets, and work on old ones."""
        return self._changes({"op": "day", "new": new, "changed": changed})

    def _changes(self, order: dict[str, Any]) -> list[int]:
        return list(self.control("changes", order)["ids"])

    def when(self, change: dict[str, Any], **when: object) -> None:
        """Schedule a change for the moment a page is served.

        Args:
            change: ``{"op": "change", "of": "served", …}``; README.md tells the forms.
            when: ``api``, ``page``, ``request``, ``moment``, ``times``; see `kuaimai.script.Step`.
        """
        self.control("script", {"when": when, "change": change})

    def script(self) -> list[dict[str, Any]]:
        """Return the scheduled changes, with how often each has ``fired`` and the ``ids`` it touched."""
        return list(self.control("script"))

    def truth(
        self,
        api: str = TICKETS,
        *,
        time: str = "created",
        start: str | int | None = None,
        end: str | int | None = None,
        ids: list[int] | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Yield the rows that a perfect reader would have now, as the gateway prints them.

        Args:
            api: The method name.
            time: Which time ``start`` and ``end`` are about: ``modified``, ``created``, or a field.
            start: The first instant, included.
            end: The last instant, included.
            ids: These rows only.
        """
        asked = {"api": api, "time": time, "start": start, "end": end, "ids": ",".join(map(str, ids or [])) or None}
        with self._http.get(f"{self.origin}/_control/truth", params=asked, stream=True, timeout=60) as response:
            if not response.ok:
                raise requests.HTTPError(response.text, response=response)
            yield from map(json.loads, response.iter_lines())

    def count(
        self,
        api: str = TICKETS,
        *,
        time: str = "created",
        start: str | int | None = None,
        end: str | int | None = None,
    ) -> int:
        """Return how many rows `truth` would yield."""
        asked = {"api": api, "time": time, "start": start, "end": end}
        response = self._http.get(f"{self.origin}/_control/count", params=asked, timeout=60)
        if not response.ok:
            raise requests.HTTPError(response.text, response=response)
        return int(response.json()["count"])

    def expire_session(self, at: str | int = 0) -> None:
        """Let the session die at an instant (default: it is dead)."""
        self.control("session", {"expires": at})

    def session(self) -> dict[str, Any]:
        """Return ``expires_ms``, ``refreshed_ms`` and the number of ``refreshes``."""
        return dict(self.control("session"))
