"""The database a loader writes to, read for checks and comparisons.

How it is reached is asked of Meltano (`meltano invoke --dump=config LOADER`), so that no password is written twice.
"""

from __future__ import annotations

import json
import re
import subprocess
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from meltano_ops.facts import redact
from meltano_ops.meltano import meltano_command
from meltano_ops.settings import OpsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from meltano_ops.settings import Settings

CONNECT_SECONDS = 10
QUERY_SECONDS = 120
_CONFIG_SECONDS = 300
_MYSQL = "mysql"
# MySQL's table and database "does not exist": https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html
_MISSING_TABLE = frozenset({1146, 1049})
_MYSQL_UNREACHABLE = frozenset({1040, 1042, 1044, 1045, 1129, 1130, 1203, 2002, 2003, 2005, 2006, 2013, 2055})
_PARAMETER = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")


class WarehouseError(Exception):
    """A query that could not be answered. `unreachable` says that the database is the reason, not the query."""

    def __init__(self, message: str, *, unreachable: bool) -> None:
        super().__init__(message)
        self.unreachable = unreachable


class MissingTableError(WarehouseError):
    """The query names a table that is not there (yet)."""


class Warehouse:
    """One database, connected to when it is first asked.

    Args:
        settings: The project.
        name: Its name in `checks.yml`.
        entry: `{"loader": plugin}` or `{"url": SQLAlchemy address}`; `$NAME` in an address comes from the environment.
    """

    def __init__(self, settings: Settings, name: str, entry: Mapping[str, str]) -> None:
        self._settings = settings
        self._name = name
        self._entry = entry
        self._engine: sa.Engine | None = None
        self._failure: WarehouseError | None = None

    def rows(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Return what a query finds, with numbers, texts and None as values.

        Args:
            query: SQL; `:name` is a parameter.
            parameters: Values of the parameters; those that the query does not name are left out.

        Raises:
            MissingTableError: A table is not there.
            WarehouseError: Anything else; the text is for the operator and holds no password.
        """
        if self._failure:
            # A dead server is waited for once, not once per check.
            raise self._failure
        used = set(_PARAMETER.findall(query))
        values = {name: value for name, value in (parameters or {}).items() if name in used}
        try:
            with self._connect() as connection:
                found = connection.execute(sa.text(query), values)
                return [{name: _plain(value) for name, value in row.items()} for row in found.mappings()]
        except sa.exc.SQLAlchemyError as error:
            failure = _explain(error)
            if failure.unreachable:
                self._failure = failure
            raise failure from None

    def close(self) -> None:
        """Give the connection back."""
        if self._engine is not None:
            self._engine.dispose()

    def _connect(self) -> sa.Connection:
        if self._engine is None:
            try:
                self._engine = _engine(self.url(), self._settings)
            except (OpsError, sa.exc.ArgumentError, subprocess.SubprocessError) as error:
                self._failure = WarehouseError(redact(str(error)), unreachable=True)
                raise self._failure from None
        return self._engine.connect()

    def url(self) -> sa.URL:
        """Return the SQLAlchemy address, made of the loader's configuration where none is given."""
        if address := self._entry.get("url"):
            return sa.make_url(
                re.sub(r"\$\{?(\w+)\}?", lambda found: self._settings.variables.get(found[1], ""), address)
            )
        loader = self._entry.get("loader")
        if not loader:
            raise OpsError(f"The database {self._name} in checks.yml needs 'loader:' or 'url:'.")
        return loader_url(loader, plugin_config(self._settings, loader))


def plugin_config(settings: Settings, plugin: str) -> dict[str, Any]:
    """Return a plugin's configuration as Meltano would give it to the plugin.

    Raises:
        OpsError: Meltano cannot say.
    """
    command = [*meltano_command(settings), "invoke", "--dump=config", plugin]
    environment = {**settings.environ, "MELTANO_CLI_LOG_LEVEL": "error"}
    try:
        done = subprocess.run(  # noqa: S603 - Meltano, with a plugin's name from the project
            command,
            cwd=settings.root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=_CONFIG_SECONDS,
        )
        document = json.loads(done.stdout) if done.returncode == 0 else None
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise OpsError(f"Meltano does not tell the configuration of {plugin}: {error}") from None
    if not isinstance(document, dict):
        reason = redact((done.stderr.strip().splitlines() or ["no output"])[-1])
        raise OpsError(f"Meltano does not tell the configuration of {plugin}: {reason}")
    return document


def loader_url(loader: str, config: Mapping[str, Any]) -> sa.URL:
    """Return the database address in a loader's configuration, in the names that database loaders share.

    Raises:
        OpsError: It has no host.
    """
    if address := config.get("sqlalchemy_url"):
        return sa.make_url(str(address))
    if not config.get("host"):
        raise OpsError(f"{loader} has neither sqlalchemy_url nor host in its configuration.")
    driver = "postgresql" if "postgres" in loader else "mysql+pymysql"
    query = {"charset": "utf8mb4"} if driver.startswith(_MYSQL) else {}
    # The names of PyMySQL's parameters are those of the loader's settings.
    query |= {name: str(config[name]) for name in ("ssl_ca", "ssl_cert", "ssl_key") if config.get(name)}
    return sa.URL.create(
        driver,
        username=config.get("user") or config.get("username"),
        password=config.get("password"),
        host=str(config["host"]),
        port=int(config["port"]) if config.get("port") else None,
        database=config.get("database") or config.get("default_target_schema"),
        query=query,
    )


def _engine(url: sa.URL, settings: Settings) -> sa.Engine:
    if url.get_backend_name() not in {_MYSQL, "mariadb"}:
        return sa.create_engine(url)
    engine = sa.create_engine(url, connect_args={"connect_timeout": CONNECT_SECONDS, "read_timeout": QUERY_SECONDS})
    offset = datetime.now(settings.timezone).strftime("%z")

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: sa.engine.interfaces.DBAPIConnection, _record: object) -> None:
        with closing(connection.cursor()) as cursor:
            # DATETIME columns hold the project's wall clock, and NOW() is to mean the same.
            cursor.execute(f"SET SESSION time_zone = '{offset[:3]}:{offset[3:]}'")
            cursor.execute("SET SESSION TRANSACTION READ ONLY")

    return engine


def _plain(value: object) -> object:
    """Return a value as JSON and a message can show it."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if value is None or isinstance(value, (int, float, str)):
        return value
    return str(value)


def _explain(error: sa.exc.SQLAlchemyError) -> WarehouseError:
    cause = getattr(error, "orig", None)
    number = cause.args[0] if cause is not None and cause.args and isinstance(cause.args[0], int) else None
    text = redact(
        str(cause.args[1] if number is not None and cause is not None and len(cause.args) > 1 else cause or error)
    )
    if number in _MISSING_TABLE or "no such table" in text or "UndefinedTable" in type(cause).__name__:
        return MissingTableError(text, unreachable=False)
    unreachable = number in _MYSQL_UNREACHABLE or (number is None and isinstance(error, sa.exc.OperationalError))
    return WarehouseError(text, unreachable=unreachable)
