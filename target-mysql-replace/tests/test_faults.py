"""Whatever is killed or broken, the tables equal the input after the next run, and no STATE runs ahead of its rows."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import socket
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from target_mysql_replace import loader as loader_module
from target_mysql_replace.errors import OperatorError
from target_mysql_replace.locks import lock_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Loading, Message

_PROPERTIES = {"id": {"type": "integer"}, "v": {"type": ["string", "null"]}}
_ROWS, _STATE_EVERY = 3000, 250


def _input(loading: Loading, version: int) -> list[Message]:
    messages = [loading.schema("t", _PROPERTIES, "id")]
    for number in range(_ROWS):
        messages += loading.records("t", {"id": number, "v": f"{version}-{number}"})
        if number % _STATE_EVERY == _STATE_EVERY - 1:
            messages.append(loading.state({"rows": number + 1}))
    return messages


def _versions(loading: Loading) -> dict[str, int]:
    return dict(loading.rows("SELECT SUBSTRING_INDEX(v, '-', 1), COUNT(*) FROM t GROUP BY 1"))


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds instead of a minute of trying."""
    monkeypatch.setattr(loader_module, "PAUSES", (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4))


def test_a_target_killed_at_any_moment_never_passes_on_a_state_ahead_of_its_rows(loading: Loading) -> None:
    numbers = random.Random(3)
    loading.load(_input(loading, 0))
    for version in range(1, 7):
        with loading.start(batch_size_rows=100) as process:
            assert process.stdin is not None
            feeder = threading.Thread(target=_feed, args=(process.stdin, loading.lines(_input(loading, version))))
            feeder.start()
            time.sleep(1 + numbers.random() * 1.5)
            process.kill()
            assert process.stdout is not None
            states = process.stdout.read().splitlines()
            process.wait()
            feeder.join()
        passed = json.loads(states[-1])["rows"] if states else 0
        fresh = loading.rows("SELECT COUNT(*) FROM t WHERE v = CONCAT(%s, '-', id) AND id < %s", version, passed)
        assert fresh == [(passed,)]
        assert loading.rows("SELECT COUNT(*) FROM t") == [(_ROWS,)]
    loading.load(_input(loading, 9))
    assert _versions(loading) == {"9": _ROWS}


def _feed(stream: object, data: bytes) -> None:
    try:
        with stream:  # type: ignore[attr-defined] # a pipe
            stream.write(data)  # type: ignore[attr-defined] # a pipe
    except BrokenPipeError:
        return


def test_a_server_killed_and_started_again_costs_nothing(loading: Loading) -> None:
    data = loading.lines(_input(loading, 1))
    half = data.index(b'"id":1500')
    with loading.start(batch_size_rows=100) as process:
        assert process.stdin is not None
        process.stdin.write(data[:half])
        process.stdin.flush()
        time.sleep(1.5)
        loading.server.kill()
        process.stdin.write(data[half:])
        loading.server.restart()
        out, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    assert _versions(loading) == {"1": _ROWS}
    assert json.loads(out.splitlines()[-1]) == {"rows": _ROWS}
    assert loading.rows("SELECT SUM(rows_written) FROM _load_ledger") == [(_ROWS,)]
    assert b"Traceback" not in err


class CommitEater:
    """A proxy that passes everything on, but the answer to one COMMIT: there it cuts the connection."""

    def __init__(self, port: int, commits: int) -> None:
        self._port = port
        self._left = commits
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.cuts = 0
        self._open = [self._listener]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._port))
            self._open += [client, server]
            threading.Thread(target=self._pump, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, False), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, from_client: bool) -> None:  # noqa: FBT001 a thread's argument
        try:
            while data := source.recv(65536):
                if from_client and data.endswith(b"\x03COMMIT"):
                    self._left -= 1
                    if self._left == 0:
                        self.cuts += 1
                        source.shutdown(socket.SHUT_RDWR)
                        sink.sendall(data)
                        return
                sink.sendall(data)
        except OSError:
            return

    def close(self) -> None:
        """Close every connection."""
        for each in self._open:
            # Ends a thread that waits in it, too.
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@pytest.fixture
def cut(loading: Loading) -> Iterator[Callable[[int], CommitEater]]:
    """Makes proxies in front of the database."""
    made: list[CommitEater] = []

    def make(commits: int) -> CommitEater:
        made.append(CommitEater(loading.server.port, commits))
        return made[-1]

    yield make
    for proxy in made:
        proxy.close()


@pytest.mark.parametrize("method", ["load_data", "replace", "upsert"])
def test_a_keyless_table_is_not_doubled_when_the_answer_to_a_commit_is_lost(
    loading: Loading, cut: Callable[[int], CommitEater], method: str
) -> None:
    messages = [
        loading.schema("events", {"n": {"type": "integer"}}),
        *loading.records("events", *({"n": number} for number in range(300))),
    ]
    loading.load(messages[:1])
    # Every COMMIT in turn, those of the preparations too.
    for commits in range(1, 15):
        loading.execute("TRUNCATE events", "TRUNCATE _load_ledger")
        proxy = cut(commits)
        loading.load(messages, port=proxy.port, batch_size_rows=100, write_method=method)
        assert loading.rows("SELECT COUNT(*), COUNT(DISTINCT n) FROM events") == [(300, 300)], commits
        assert loading.rows("SELECT SUM(rows_written), COUNT(*) FROM _load_ledger") == [(300, 3)]
        if proxy.cuts == 0:
            break
    else:
        pytest.fail("never ran without a cut")


def test_a_writer_that_waits_for_another_says_so_and_goes_on(
    loading: Loading, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr("target_mysql_replace.locks.SAY_SECONDS", 1)
    loading.load([loading.schema("t", _PROPERTIES, "id")])
    with loading.server.connect(loading.database) as other, other.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(%s, 0)", (lock_name(loading.database, "t"),))

        def release() -> None:
            while not any("Waiting for another writer of table 't'" in text for text in caplog.messages):
                time.sleep(0.05)
            cursor.execute("SELECT RELEASE_ALL_LOCKS()")

        helper = threading.Thread(target=release)
        helper.start()
        loading.load([loading.schema("t", _PROPERTIES, "id"), *loading.records("t", {"id": 1})])
        helper.join()
    assert loading.rows("SELECT id FROM t") == [(1,)]


@pytest.mark.usefixtures("quick_retries")
def test_a_lock_whose_holder_was_killed_stops_nobody(seekdb_loading: Loading) -> None:
    """OceanBase keeps the lock of a connection that was killed."""
    name = lock_name(seekdb_loading.database, "t")
    holder = seekdb_loading.server.connect(seekdb_loading.database)
    with holder.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(%s, 0), CONNECTION_ID()", (name,))
        ((_, number),) = cursor.fetchall()
    seekdb_loading.execute(f"KILL {number}")
    seekdb_loading.load(
        [seekdb_loading.schema("t", {"id": {"type": "integer"}}, "id"), *seekdb_loading.records("t", {"id": 1})]
    )
    assert seekdb_loading.rows("SELECT id FROM t") == [(1,)]


def test_a_lock_on_the_rows_is_waited_for(loading: Loading) -> None:
    loading.load([loading.schema("t", _PROPERTIES, "id"), *loading.records("t", {"id": 1, "v": "old"})])
    loading.server.execute("SET GLOBAL innodb_lock_wait_timeout = 1")
    try:
        with loading.server.connect(loading.database, autocommit=False) as other, other.cursor() as cursor:
            cursor.execute("SELECT * FROM t WHERE id = 1 FOR UPDATE")
            helper = threading.Timer(2, other.rollback)
            helper.start()
            loading.load([loading.schema("t", _PROPERTIES, "id"), *loading.records("t", {"id": 1, "v": "new"})])
            helper.join()
    finally:
        loading.server.execute("SET GLOBAL innodb_lock_wait_timeout = 50")
    assert loading.rows("SELECT v FROM t") == [("new",)]
    assert loading.rows("SELECT MAX(retries) > 0 FROM _load_ledger") == [(1,)]


@pytest.mark.usefixtures("quick_retries")
def test_a_server_that_is_read_only_for_a_while_is_waited_for(loading: Loading) -> None:
    loading.load([loading.schema("t", _PROPERTIES, "id")])
    loading.server.execute(f"CREATE USER plain_{loading.database} IDENTIFIED BY 'word'")
    loading.server.execute(f"GRANT ALL ON `{loading.database}`.* TO plain_{loading.database}")
    loading.server.execute("SET GLOBAL read_only = ON")
    helper = threading.Timer(1, loading.server.execute, ["SET GLOBAL read_only = OFF"])
    helper.start()
    try:
        loading.load(
            [loading.schema("t", _PROPERTIES, "id"), *loading.records("t", {"id": 1, "v": "x"})],
            user=f"plain_{loading.database}",
            password="word",
        )
    finally:
        helper.join()
    assert loading.rows("SELECT v FROM t") == [("x",)]


def test_load_data_that_is_switched_off_in_mid_run_costs_no_row(loading: Loading) -> None:
    data = loading.lines(_input(loading, 1))
    half = data.index(b'"id":1500')
    try:
        with loading.start(batch_size_rows=100) as process:
            assert process.stdin is not None
            process.stdin.write(data[:half])
            process.stdin.flush()
            _until(lambda: bool(loading.rows("SHOW TABLES LIKE 't'")) and bool(loading.rows("SELECT 1 FROM t LIMIT 1")))
            loading.server.execute("SET GLOBAL local_infile = OFF")
            _, err = process.communicate(data[half:], timeout=90)
        assert process.returncode == 0, err
        assert _versions(loading) == {"1": _ROWS}
        assert dict(loading.rows("SELECT method, COUNT(*) > 0 FROM _load_ledger GROUP BY 1")) == {
            "load_data": 1,
            "replace": 1,
        }
        run = loading.run(_input(loading, 2), write_method="load_data")
        assert run.returncode == 1
        assert b"set write_method to auto" in run.stderr.splitlines()[-1]
        assert _versions(loading) == {"1": _ROWS}
    finally:
        loading.server.execute("SET GLOBAL local_infile = ON")


def test_a_server_that_stays_away_ends_the_run_with_one_line(loading: Loading, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader_module, "PAUSES", (0.05, 0.05))
    loading.load([loading.schema("t", _PROPERTIES, "id")])
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with pytest.raises(OperatorError, match=f"Cannot connect to 127.0.0.1:{port}, user 'loader'"):
        loading.load([loading.schema("t", _PROPERTIES, "id"), loading.state(1)], port=port)


def test_a_record_does_not_wait_for_a_tap_that_is_silent(loading: Loading) -> None:
    with loading.start(batch_wait_limit_seconds=1) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(
            loading.lines(
                [loading.schema("t", _PROPERTIES, "id"), *loading.records("t", {"id": 1}), loading.state({"one": 1})]
            )
        )
        process.stdin.flush()
        assert json.loads(process.stdout.readline()) == {"one": 1}
        assert loading.rows("SELECT id FROM t") == [(1,)]
        process.stdin.write(loading.lines([loading.state({"two": 2})]))
        process.stdin.flush()
        assert json.loads(process.stdout.readline()) == {"two": 2}, (
            "a STATE with nothing before it does not wait at all"
        )
        process.communicate(timeout=60)
    assert process.returncode == 0


def test_a_signal_ends_the_reading_and_what_was_read_is_written(loading: Loading) -> None:
    with loading.start() as process:
        assert process.stdin is not None
        process.stdin.write(
            loading.lines(
                [loading.schema("t", _PROPERTIES, "id"), *loading.records("t", {"id": 1}), loading.state({"one": 1})]
            )
        )
        process.stdin.flush()
        _until(lambda: bool(loading.rows("SHOW TABLES LIKE 't'")))
        # The record stands behind the SCHEMA in the pipe. Nothing shows from outside that it was read, too.
        time.sleep(2)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert loading.rows("SELECT id FROM t") == [(1,)]
    assert json.loads(out) == {"one": 1}
    assert b"Traceback" not in err


def test_a_tap_that_breaks_off_in_a_line_fails_the_run(loading: Loading) -> None:
    run = loading.run(
        [
            loading.schema("t", _PROPERTIES, "id"),
            *loading.records("t", {"id": 1}),
            loading.state(1),
            b'{"type": "RECORD", "stream": "t", "reco',
        ]
    )
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1].endswith(b"the tap broke off or wrote something else.")
    assert b"Traceback" not in run.stderr


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak from Linux's /proc")
def test_memory_is_the_same_for_few_rows_and_for_many(loading: Loading) -> None:
    peaks = []
    for rows in (8_000, 40_000):
        records = ({"id": number, "v": "x" * 1000} for number in range(rows))
        data = loading.lines([loading.schema("t", _PROPERTIES, "id"), *loading.records("t", *records)])
        with loading.start(batch_size_bytes=2**20, batch_wait_limit_seconds=1) as process:
            assert process.stdin is not None
            process.stdin.write(data)
            process.stdin.flush()
            _until(partial(_has_rows, loading, rows))
            status = Path(f"/proc/{process.pid}/status").read_text("ascii")
            peaks.append(int(status.partition("VmHWM:")[2].split()[0]))
            process.communicate(timeout=60)
    assert peaks[1] < peaks[0] * 1.2
    assert peaks[1] < 250_000


def _has_rows(loading: Loading, rows: int) -> bool:
    exists = loading.rows("SHOW TABLES LIKE 't'")
    return bool(exists) and loading.rows("SELECT COUNT(*) FROM t") == [(rows,)]


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
