"""Running the mapper on messages, in this process and as a program."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

import jsonschema
import pytest
from map_explode.mapper import MapExplode
from singer_sdk.singerlib.json import serialize_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

Message: TypeAlias = "dict[str, Any]"


class Runner:
    """The mapper in this process, and the words of Singer that tests need."""

    def __init__(self, capture: pytest.CaptureFixture[bytes]) -> None:
        self._capture = capture

    def output(self, config: dict[str, Any], source: bytes) -> bytes:
        """Return what the mapper writes for an input."""
        self._capture.readouterr()
        MapExplode(config=config).listen(io.BytesIO(source))  # type: ignore[arg-type]  # the SDK knows text only
        return self._capture.readouterr().out

    def __call__(self, config: dict[str, Any], messages: Iterable[Message]) -> Messages:
        """Return the messages the mapper makes of messages."""
        return self.parsed(self.output(config, self.lines(messages)))

    @staticmethod
    def lines(messages: Iterable[Message]) -> bytes:
        """Return messages as a tap writes them."""
        return b"".join(serialize_json(message, ensure_ascii=False).encode() + b"\n" for message in messages)

    @staticmethod
    def parsed(output: bytes) -> Messages:
        """Return the messages of an output, numbers exact."""
        return Messages(json.loads(line, parse_float=Decimal) for line in output.splitlines())

    @staticmethod
    def schema(stream: str, properties: dict[str, Any], *key: str, **more: Any) -> Message:  # noqa: ANN401 - JSON
        """Return a SCHEMA message; further words go into the schema."""
        schema = {"type": "object", "properties": properties, **more}
        return {"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": list(key)}

    @staticmethod
    def records(stream: str, *records: dict[str, Any]) -> list[Message]:
        """Return RECORD messages."""
        return [{"type": "RECORD", "stream": stream, "record": record} for record in records]


class Messages(list[Message]):
    """The messages of an output."""

    def rows(self, stream: str) -> list[dict[str, Any]]:
        """Return the records of a stream."""
        return [each["record"] for each in self if each["type"] == "RECORD" and each["stream"] == stream]

    def schema(self, stream: str) -> Message:
        """Return the last SCHEMA message of a stream."""
        return [each for each in self if each["type"] == "SCHEMA" and each["stream"] == stream][-1]

    def columns(self, stream: str) -> dict[str, Any]:
        """Return the properties of a stream."""
        properties: dict[str, Any] = self.schema(stream)["schema"]["properties"]
        return properties

    def check(self) -> Messages:
        """Assert that every record fits the SCHEMA that came before it, and that its key is complete."""
        schemas: dict[str, Message] = {}
        for message in self:
            if message["type"] == "SCHEMA":
                jsonschema.Draft7Validator.check_schema(message["schema"])
                schemas[message["stream"]] = message
            elif message["type"] == "RECORD":
                schema = schemas[message["stream"]]
                jsonschema.Draft7Validator(schema["schema"]).validate(message["record"])
                assert all(message["record"].get(name) is not None for name in schema["key_properties"])
        return self


@pytest.fixture
def run(capsysbinary: pytest.CaptureFixture[bytes]) -> Runner:
    """The mapper, run in this process."""
    return Runner(capsysbinary)


@pytest.fixture
def program(tmp_path: Path) -> Callable[[dict[str, Any], bytes], subprocess.CompletedProcess[bytes]]:
    """The mapper, run as a program."""

    def run_program(config: dict[str, Any], source: bytes) -> subprocess.CompletedProcess[bytes]:
        path = tmp_path / "config.json"
        path.write_text(json.dumps(config), encoding="utf-8")
        return subprocess.run(
            [sys.executable, "-m", "map_explode", "--config", path], input=source, capture_output=True, check=False
        )

    return run_program
