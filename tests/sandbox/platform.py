"""What the shared server needs from a platform, and the shapes of a call and its answer."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.routing import BaseRoute

    from tests.sandbox.clock import Clock
    from tests.sandbox.faults import Fault


@dataclass(frozen=True)
class Incoming:
    """One request of a client of the platform, read whole."""

    verb: str
    path: str
    headers: Mapping[str, str]
    #: The query string, decoded.
    query: dict[str, str]
    #: The fields of an urlencoded or multipart body, decoded; uploaded files are left out.
    form: dict[str, str]
    #: The raw body of anything else (JSON).
    body: bytes = b""
    #: The query string as it was sent; for platforms that count its characters.
    raw_query: str = ""

    @property
    def params(self) -> dict[str, str]:
        """Query and form together; the form wins."""
        return {**self.query, **self.form}

    def json(self) -> Any:  # noqa: ANN401 - whatever a client sent
        """Return the body as JSON.

        Raises:
            ValueError: It is none.
        """
        return json.loads(self.body)


@dataclass
class Answer:
    """What the platform says, and how the request log sums it up."""

    body: bytes
    status: int = 200
    content_type: str = "application/json;charset=UTF-8"
    headers: dict[str, str] = field(default_factory=dict)
    #: ``ok``, or the error code.
    outcome: str = "ok"

    @classmethod
    def json(
        cls, content: object, *, status: int = 200, outcome: str = "ok", headers: dict[str, str] | None = None
    ) -> Answer:
        """Return ``content`` as a JSON answer in UTF-8."""
        body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
        return cls(body, status=status, outcome=outcome, headers=headers or {})


@dataclass(frozen=True)
class Call:
    """What the log and the faults know a request by; carries no secret."""

    #: The name of the API: a method name, or a path.
    api: str
    params: dict[str, Any]
    page: int | None = None


class Platform(ABC):
    """One stand-in: its behaviour, without a word about HTTP servers."""

    name: str
    #: The path a client is pointed at, told when the server listens.
    path: str = ""
    #: Faults beyond those of the wire, handed to `answer`.
    fault_kinds: frozenset[str] = frozenset()

    def __init__(self, clock: Clock, seed: int) -> None:
        self.clock = clock
        self.seed = seed

    @abstractmethod
    def describe(self, incoming: Incoming) -> Call:
        """Return what the log may know about a request: no token, no signature, no secret."""

    @abstractmethod
    def answer(self, incoming: Incoming, fault: Fault | None) -> Answer:
        """Answer one request.

        Args:
            incoming: The request.
            fault: A fault of one of `fault_kinds` that a test ordered for this call.
        """

    @abstractmethod
    def control_routes(self) -> list[BaseRoute]:
        """Return this platform's own part of the control interface, mounted under ``/_control``."""

    @abstractmethod
    def options(self) -> dict[str, Any]:
        """Return the switches of this platform with their present values."""

    @abstractmethod
    def set_options(self, changes: dict[str, Any]) -> None:
        """Set switches by name.

        Raises:
            ValueError: A switch is unknown.
        """

    def wall_seconds(self) -> float:
        """Return the time that the platform's servers show in their ``Date`` header, in epoch seconds.

        It is the machine's, whatever the stand-in's clock says: a client's own time stamps are the machine's too.
        """
        return time.time()

    def reset(self) -> None:  # noqa: B027 - a platform without scripts has nothing to forget
        """Forget scripted events and set every switch back; the data stay as they are."""
