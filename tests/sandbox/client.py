"""Starting a stand-in from a test, and steering it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

REPOSITORY = Path(__file__).parents[2]


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
