"""Database servers that speak the MySQL protocol, started on loopback for the demo and the tests.

Three families: MariaDB (the system's ``mariadbd``), MySQL (the system's ``mysqld``, else the one that
``scripts/fetch-mysql.sh`` unpacks) and OceanBase seekdb (from PyPI, needs no root). Each server keeps its data, its
generated password and its log in one directory and can be started there again after a stop or a crash.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import pymysql

if TYPE_CHECKING:
    from collections.abc import Iterable

Flavour = Literal["mariadb", "mysql", "seekdb"]

ROOT = Path(__file__).parent.parent
START_SECONDS = 60
STOP_SECONDS = 30
USER = "loader"
_CREDENTIALS = "server.json"
_MARIADBD_PLACES = ("mariadbd", "/usr/sbin/mariadbd", "/opt/homebrew/bin/mariadbd", "/usr/local/bin/mariadbd")
_INSTALL_DB_PLACES = (
    "mariadb-install-db",
    "/usr/bin/mariadb-install-db",
    "/opt/homebrew/bin/mariadb-install-db",
    "/usr/local/bin/mariadb-install-db",
)


class ServerUnavailableError(RuntimeError):
    """The server's program is not on this machine, or it did not start; the message says what to do."""


@dataclasses.dataclass
class Server:
    """A running database server.

    Attributes:
        flavour: which family it is.
        directory: where its data, log and credentials live.
        port: TCP port on 127.0.0.1.
        user: an account with all privileges that may connect from loopback.
        password: the account's generated password.
        pid: the server's process.
    """

    flavour: Flavour
    directory: Path
    port: int
    user: str
    password: str
    pid: int
    options: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    process: subprocess.Popen[bytes] | None = dataclasses.field(default=None, repr=False, compare=False)

    def connect(self, database: str | None = None, **options: Any) -> pymysql.Connection[Any]:  # noqa: ANN401 PyMySQL's own
        """Return a new autocommit connection; ``options`` go to PyMySQL as they are."""
        settings: dict[str, Any] = {"charset": "utf8mb4", "autocommit": True, **options}
        return pymysql.connect(
            host=self.host, port=self.port, user=self.user, password=self.password, database=database, **settings
        )

    def execute(self, statement: str) -> tuple[tuple[Any, ...], ...]:
        """Run one statement on a connection of its own and return all its rows."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return tuple(cursor.fetchall())

    def alive(self) -> bool:
        """Return whether the process exists and has not ended."""
        if self.process is not None:
            return self.process.poll() is None
        return _process_alive(self.pid)

    def stop(self) -> None:
        """Shut the server down in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the server as a power cut would (SIGKILL)."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Start it again on the same data, port and password; waits until it answers."""
        if self.alive():
            self.stop()
        started = start(self.flavour, self.directory, port=self.port, options=self.options)
        self.pid, self.process = started.pid, started.process

    def _end(self, first: signal.Signals) -> None:
        deadline = time.monotonic() + STOP_SECONDS
        while self.alive():
            os.kill(self.pid, first if time.monotonic() < deadline else signal.SIGKILL)
            time.sleep(0.05)


def start(flavour: Flavour, directory: Path, *, port: int | None = None, options: Iterable[str] = ()) -> Server:
    """Start a server, creating its data directory at the first time, and wait until it answers.

    Args:
        flavour: which server.
        directory: its own directory; an existing one is used again.
        port: TCP port; without it the one of the last start where it is free, else any free one.
        options: further command-line options of the server program.

    Returns:
        The running server, with an account ``loader`` that has all privileges.

    Raises:
        ServerUnavailableError: the program is missing or does not start.
    """
    directory = directory.absolute()
    directory.mkdir(parents=True, exist_ok=True)
    family = _FAMILIES[flavour]
    data = directory / "data"
    credentials = _credentials(directory)
    if port is None:
        port = credentials.get("port")
        if port is None or not _port_is_free(port):
            port = _free_port()
    fresh = not (directory / "initialised").exists()
    # A server that starts removes what looks like its temporary tables: in /tmp they would be another one's.
    (directory / "tmp").mkdir(exist_ok=True)
    if fresh:
        shutil.rmtree(data, ignore_errors=True)
        family.initialise(directory)
    command = [*family.command(directory, port), *options]
    accounts = directory / "accounts.sql"
    if fresh and flavour != "seekdb":
        accounts.touch(mode=0o600)
        accounts.write_text(";\n".join(_account_statements("localhost", credentials["password"])) + ";\n")
        command.append(f"--init-file={accounts}")
    with (directory / "server.log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    server = Server(
        flavour, directory, port, USER, credentials["password"], process.pid, tuple(options), process=process
    )
    if fresh and flavour == "seekdb":
        with _wait_until_it_answers(server, process, "root", "") as connection, connection.cursor() as cursor:
            for statement in _account_statements("%", server.password):
                cursor.execute(statement)
    _wait_until_it_answers(server, process, server.user, server.password).close()
    accounts.unlink(missing_ok=True)
    (directory / "initialised").touch()
    _save_credentials(directory, {"flavour": flavour, "port": port, "pid": process.pid, **_login(server)})
    return server


def running(directory: Path) -> Server | None:
    """Return the server that an earlier process started in ``directory``, if it still runs."""
    if not (directory / _CREDENTIALS).exists():
        return None
    saved = _credentials(directory)
    if not _process_alive(saved.get("pid", 0)):
        return None
    return Server(saved["flavour"], directory.absolute(), saved["port"], saved["user"], saved["password"], saved["pid"])


def install(flavour: Flavour) -> None:
    """Get the server's program where it is missing: MariaDB from the system's packages, the others beside the system.

    Raises:
        ServerUnavailableError: it cannot be had here.
    """
    if available(flavour):
        return
    for command in _FAMILIES[flavour].installers:
        if shutil.which(command[0], path=f"{os.environ['PATH']}:{ROOT}"):
            subprocess.run(command, cwd=ROOT, check=False)
    _FAMILIES[flavour].program()


def available(flavour: Flavour) -> bool:
    """Return whether the server's program is on this machine already."""
    try:
        _FAMILIES[flavour].program()
    except ServerUnavailableError:
        return False
    return True


@dataclasses.dataclass(frozen=True)
class _MariaDB:
    installers: ClassVar[tuple[list[str], ...]] = (
        ["scripts/apt-install.sh", "mariadb-server"],
        ["brew", "install", "--quiet", "mariadb"],
    )

    def program(self) -> list[str]:
        return [
            _find(_MARIADBD_PLACES, "MariaDB is not installed: install the package mariadb-server"),
            "--no-defaults",
        ]

    def initialise(self, directory: Path) -> None:
        install = _find(_INSTALL_DB_PLACES, "mariadb-install-db is missing: install the package mariadb-server")
        _run(
            install,
            "--no-defaults",
            f"--datadir={directory / 'data'}",
            f"--tmpdir={directory / 'tmp'}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            *_as_root(),
            log=directory / "server.log",
        )

    def command(self, directory: Path, port: int) -> list[str]:
        return [*self.program(), *_common_options(directory, port), "--innodb-log-file-size=256M"]


@dataclasses.dataclass(frozen=True)
class _MySQL:
    installers: ClassVar[tuple[list[str], ...]] = (["scripts/fetch-mysql.sh"],)

    def program(self) -> list[str]:
        installed = shutil.which("mysqld")
        if (
            installed
            and "MariaDB"
            not in subprocess.run([installed, "--version"], check=False, capture_output=True).stdout.decode()
        ):
            return [installed, "--no-defaults"]
        tree = ROOT / ".cache" / "mysql" / "usr"
        loader = tree / "lib64" / "ld-linux-x86-64.so.2"
        if not loader.exists():
            raise ServerUnavailableError("MySQL is not on this machine: run scripts/fetch-mysql.sh")
        libraries = tree / "lib" / "x86_64-linux-gnu"
        return [
            str(loader),
            "--library-path",
            f"{libraries}:{libraries / 'mysql'}",
            str(tree / "sbin" / "mysqld"),
            "--no-defaults",
            f"--basedir={tree}",
            f"--lc-messages-dir={tree / 'share' / 'mysql'}",
            f"--character-sets-dir={tree / 'share' / 'mysql' / 'charsets'}",
        ]

    def initialise(self, directory: Path) -> None:
        log = directory / "server.log"
        places = [f"--datadir={directory / 'data'}", f"--tmpdir={directory / 'tmp'}"]
        _run(*self.program(), "--initialize-insecure", *places, "--secure-file-priv=NULL", *_as_root(), log=log)

    def command(self, directory: Path, port: int) -> list[str]:
        return [
            *self.program(),
            *_common_options(directory, port),
            "--mysqlx=OFF",
            "--skip-log-bin",
            "--secure-file-priv=NULL",
            "--innodb-redo-log-capacity=512M",
        ]


@dataclasses.dataclass(frozen=True)
class _Seekdb:
    installers: ClassVar[tuple[list[str], ...]] = (["scripts/setup.sh", "seekdb"],)

    def program(self) -> list[str]:
        package = importlib.util.find_spec("pylibseekdb")
        if package is None or package.origin is None:
            raise ServerUnavailableError("seekdb is not installed: pip install pylibseekdb (Linux, Python 3.11+)")
        return [str(Path(package.origin).parent / "seekdb")]

    def initialise(self, directory: Path) -> None:
        (directory / "data").mkdir()

    def command(self, directory: Path, port: int) -> list[str]:
        # It binds every interface; the variable makes it refuse whoever does not come from loopback.
        return [
            *self.program(),
            "--nodaemon",
            f"--base-dir={directory / 'data'}",
            f"--port={port}",
            "--variable=ob_tcp_invited_nodes=127.0.0.1",
            "--parameter=memory_budget=1G",
            "--parameter=log_disk_size=2G",
        ]


_FAMILIES: dict[Flavour, _MariaDB | _MySQL | _Seekdb] = {
    "mariadb": _MariaDB(),
    "mysql": _MySQL(),
    "seekdb": _Seekdb(),
}


def _common_options(directory: Path, port: int) -> list[str]:
    return [
        f"--datadir={directory / 'data'}",
        f"--tmpdir={directory / 'tmp'}",
        f"--socket={_socket(directory)}",
        f"--pid-file={directory / 'server.pid'}",
        f"--port={port}",
        "--bind-address=127.0.0.1",
        "--skip-name-resolve",
        "--innodb-buffer-pool-size=256M",
        "--max-allowed-packet=64M",
        *_as_root(),
    ]


def _socket(directory: Path) -> Path:
    # Nobody uses it (connections are TCP), but the servers insist on one, and a socket's path has at most 107 bytes.
    own = directory / "server.sock"
    return own if len(os.fsencode(own)) < 100 else Path(tempfile.mkdtemp()) / "server.sock"


def _as_root() -> list[str]:
    return ["--user=root"] if os.geteuid() == 0 else []


def _find(places: Iterable[str], advice: str) -> str:
    for place in places:
        if found := shutil.which(place):
            return found
    raise ServerUnavailableError(advice)


def _run(*command: str, log: Path) -> None:
    with log.open("ab") as output:
        code = subprocess.run(command, stdout=output, stderr=output, check=False).returncode
    if code:
        raise ServerUnavailableError(f"{Path(command[0]).name} ended with {code}; its output is in {log}")


def _wait_until_it_answers(
    server: Server, process: subprocess.Popen[bytes], user: str, password: str
) -> pymysql.Connection[Any]:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return pymysql.connect(host=server.host, port=server.port, user=user, password=password)
        except pymysql.err.OperationalError as error:
            log = server.directory / "server.log"
            if process.poll() is not None:
                raise ServerUnavailableError(f"the database server ended at once; its output is in {log}") from error
            if time.monotonic() > deadline:
                raise ServerUnavailableError(f"no answer in {START_SECONDS} s; see {log}") from error
            time.sleep(0.1)


def _account_statements(root_host: str, password: str) -> list[str]:
    return [
        f"CREATE USER '{USER}'@'%' IDENTIFIED BY '{password}'",
        f"GRANT ALL PRIVILEGES ON *.* TO '{USER}'@'%' WITH GRANT OPTION",
        f"ALTER USER 'root'@'{root_host}' IDENTIFIED BY '{password}'",
    ]


def _login(server: Server) -> dict[str, str]:
    return {"user": server.user, "password": server.password}


def _credentials(directory: Path) -> dict[str, Any]:
    path = directory / _CREDENTIALS
    if path.exists():
        saved: dict[str, Any] = json.loads(path.read_text())
        return saved
    created = {"password": secrets.token_urlsafe(18)}
    _save_credentials(directory, created)
    return created


def _save_credentials(directory: Path, values: dict[str, Any]) -> None:
    path = directory / _CREDENTIALS
    path.touch(mode=0o600)
    path.write_text(json.dumps(values))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _process_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return pid > 0
