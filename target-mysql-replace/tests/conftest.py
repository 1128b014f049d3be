"""What the tests of the target share: a loaded target, and a look into the database."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import itertools
import json
import signal
import subprocess
import sys
from contextlib import redirect_stdout
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from singer_sdk.singerlib.json import serialize_json
from target_mysql_replace.replay import replay
from target_mysql_replace.target import TargetMySQLReplace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tests.servers import Server

_databases = itertools.count(1)
Message: TypeAlias = "dict[str, Any]"


BEIJING = dt.timezone(dt.timedelta(hours=8))


def truth(messages: Iterable[Message]) -> dict[str, list[dict[str, Any]]]:
    """Return each stream's rows: the last record of every key in order of arrival, or every record without a key."""
    keys: dict[str, tuple[str, ...]] = {}
    rows: dict[str, dict[Any, dict[str, Any]]] = {}
    for message in messages:
        if message["type"] == "SCHEMA":
            keys[message["stream"]] = tuple(message.get("key_properties") or ())
            rows.setdefault(message["stream"], {})
        elif message["type"] == "RECORD":
            stream, record = message["stream"], message["record"]
            key = tuple(record[name] for name in keys[stream]) or len(rows[stream])
            rows[stream][key] = record
    return {stream: list(found.values()) for stream, found in rows.items()}


def same(stored: Any, sent: Any) -> bool:  # noqa: ANN401 any value
    """Return whether a value read from MySQL is the value that was sent."""
    if sent is None or stored is None:
        return stored is None and sent is None
    if isinstance(stored, (int, float, Decimal)):
        number = int(sent) if isinstance(sent, bool) else sent
        return not isinstance(sent, (dict, list)) and Decimal(str(stored)) == Decimal(str(number))
    if isinstance(stored, dt.datetime):
        moment = dt.datetime.fromisoformat(sent.replace("Z", "+00:00"))
        return stored == (moment if moment.tzinfo is None else moment.astimezone(BEIJING).replace(tzinfo=None))
    if isinstance(stored, dt.date):
        return bool(stored.isoformat() == sent)
    if isinstance(stored, dt.timedelta):
        return (dt.datetime(2000, 1, 1) + stored).time() == dt.time.fromisoformat(sent)  # noqa: DTZ001 a time of day
    # Text is the value itself, or JSON where the schema allows more than text.
    return bool(
        stored == sent
        or (not isinstance(sent, str) and json.loads(stored, parse_float=Decimal) == sent)
        or stored == json.dumps(sent)
    )


def differences(stored: list[dict[str, Any]], sent: list[dict[str, Any]], keys: tuple[str, ...]) -> list[str]:
    """Return what differs between a table's rows and the records that should be in it."""
    if len(stored) != len(sent):
        return [f"{len(stored)} rows instead of {len(sent)}"]

    def by_key(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        names = keys or tuple(sorted(rows[0])) if rows else ()
        return sorted(rows, key=lambda row: [repr(row.get(name)) for name in names]) if keys else rows

    return [
        f"{name}: {row.get(name)!r} instead of {wanted!r}"
        for row, record in zip(by_key(stored), by_key(sent), strict=True)
        for name, wanted in record.items()
        if name in row and not same(row[name], wanted)
    ]


@dataclasses.dataclass
class Loading:
    """One database, and ways to load into it and to look at it."""

    server: Server
    database: str

    @staticmethod
    def schema(stream: str, properties: Mapping[str, Any], *key: str, **more: Any) -> Message:  # noqa: ANN401 JSON
        """A SCHEMA message; further words go into the schema."""
        return {
            "type": "SCHEMA",
            "stream": stream,
            "schema": {"type": "object", "properties": dict(properties), **more},
            "key_properties": list(key),
        }

    @staticmethod
    def records(stream: str, *records: Mapping[str, Any], **more: Any) -> list[Message]:  # noqa: ANN401 JSON
        """RECORD messages; further words go into each message."""
        return [{"type": "RECORD", "stream": stream, "record": dict(values), **more} for values in records]

    @staticmethod
    def state(value: Any) -> Message:  # noqa: ANN401 JSON
        """A STATE message."""
        return {"type": "STATE", "value": value}

    @staticmethod
    def lines(messages: Iterable[Message | bytes]) -> bytes:
        """Messages as a tap writes them; bytes are lines already."""
        return b"".join(
            message + b"\n" if isinstance(message, bytes) else serialize_json(message).encode() + b"\n"
            for message in messages
        )

    def differences(self, messages: Iterable[Message]) -> list[str]:
        """Return what differs between the tables and what the messages say they should hold."""
        messages = list(messages)
        found = []
        keys = {
            each["stream"]: tuple(each.get("key_properties") or ()) for each in messages if each["type"] == "SCHEMA"
        }
        for stream, sent in truth(messages).items():
            names = list(self.columns(stream))
            stored = [dict(zip(names, row, strict=True)) for row in self.table(stream)]
            missing = set().union(*sent) - set(names)
            found += [f"{stream}: no column {name}" for name in missing]
            found += [f"{stream}: {text}" for text in differences(stored, sent, keys[stream])]
        return found

    def config(self, **settings: Any) -> dict[str, Any]:  # noqa: ANN401 JSON
        """The target's settings."""
        return {
            "host": self.server.host,
            "port": self.server.port,
            "user": self.server.user,
            "password": self.server.password,
            "database": self.database,
            **settings,
        }

    def load(self, messages: Iterable[Message | bytes], **settings: Any) -> list[Any]:  # noqa: ANN401 JSON
        """Load messages in this process; return the STATEs that were passed on."""
        target = TargetMySQLReplace(config=self.config(**settings))
        out = io.StringIO()
        with redirect_stdout(out):
            try:
                target.process_lines(io.BytesIO(self.lines(messages)))  # type: ignore[arg-type] # the SDK knows text only
                target.process_endofpipe()
            finally:
                target.loader.abandon()
        return [json.loads(line) for line in out.getvalue().splitlines()]

    def replay(self) -> None:
        """Do what ``--replay-quarantine`` does, in this process."""
        target = TargetMySQLReplace(config=self.config())
        try:
            replay(target.loader, target.store, None, BEIJING)
        finally:
            target.loader.abandon()

    def run(
        self,
        messages: Iterable[Message | bytes],
        *options: str,
        **settings: Any,  # noqa: ANN401 JSON
    ) -> subprocess.CompletedProcess[bytes]:
        """Load messages with the real program."""
        with self.start(*options, **settings) as process:
            out, err = process.communicate(self.lines(messages), timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def start(self, *options: str, **settings: Any) -> subprocess.Popen[bytes]:  # noqa: ANN401 JSON
        """Start the real program, its settings in the environment."""
        prefix = "TARGET_MYSQL_REPLACE_"
        environment = {
            prefix + name.upper(): value if isinstance(value, str) else json.dumps(value)
            for name, value in self.config(**settings).items()
        }
        return subprocess.Popen(
            [sys.executable, "-m", "target_mysql_replace", "--config", "ENV", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": "/usr/bin:/bin", **environment},
        )

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401 SQL values
        """Run a query."""
        with self.server.connect(self.database) as connection, connection.cursor() as cursor:
            cursor.execute(query, values or None)
            return list(cursor.fetchall())

    def execute(self, *statements: str) -> None:
        """Run statements."""
        with self.server.connect(self.database) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def table(self, name: str, order: str = "1") -> list[tuple[Any, ...]]:
        """All rows of a table."""
        return self.rows(f"SELECT * FROM `{name}` ORDER BY {order}")

    def columns(self, name: str) -> dict[str, str]:
        """Types of a table's columns, as the server writes them."""
        return {row[0]: row[1] for row in self.rows(f"SHOW COLUMNS FROM `{name}`")}

    def quarantine(self) -> list[tuple[Any, str]]:
        """Quarantined records and reasons, oldest first."""
        return [
            (json.loads(text), reason)
            for text, reason in self.rows("SELECT record, reason FROM _quarantine ORDER BY id")
        ]


@pytest.fixture
def make_loading() -> Iterator[Callable[[Server], Loading]]:
    """Makes empty databases. They are not dropped: the servers are thrown away after the session."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def make(server: Server) -> Loading:
        database = f"target_{next(_databases)}"
        server.execute(f"CREATE DATABASE `{database}` CHARACTER SET utf8mb4")
        if server.flavour != "seekdb":
            # A commit is in the operating system's hands, which outlives a killed server, without waiting for the disk.
            server.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 2")
        return Loading(server, database)

    yield make
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def loading(mariadb: Server, make_loading: Callable[[Server], Loading]) -> Loading:
    """An empty database on MariaDB."""
    if not mariadb.alive():
        mariadb.restart()
    return make_loading(mariadb)


@pytest.fixture
def seekdb_loading(seekdb: Server, make_loading: Callable[[Server], Loading]) -> Loading:
    """An empty database on OceanBase seekdb."""
    return make_loading(seekdb)
