"""How to reach the server: the settings as a SQLAlchemy engine over connections that can send files from memory."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from singer_sdk.sql import SQLConnector
from sqlalchemy.pool import NullPool

from target_mysql_replace.driver import StreamingConnection
from target_mysql_replace.errors import TLS_FAILED, OperatorError, advice, explain, server_error, tells_host
from target_mysql_replace.session import Session

if TYPE_CHECKING:
    from collections.abc import Mapping

_DRIVERS = frozenset({"mysql", "mysql+pymysql", "mariadb", "mariadb+pymysql"})
_CONNECT_SECONDS = 10
#: A server that says nothing for this long is taken for lost; a large batch or an ALTER TABLE may take minutes.
_READ_SECONDS = 3600


class MySQLConnector(SQLConnector):
    """Makes connections from the target's settings."""

    def get_sqlalchemy_url(self, config: dict[str, Any]) -> str:
        """Return the URL: ``sqlalchemy_url`` itself, or one made of host, port, user, password and database.

        Raises:
            OperatorError: a setting is missing or is no URL.
        """
        if config.get("sqlalchemy_url"):
            try:
                url = sa.make_url(config["sqlalchemy_url"])
            except (sa.exc.ArgumentError, ValueError):
                raise OperatorError(
                    "sqlalchemy_url is not a URL. Write it as mysql+pymysql://user:password@host:3306/database."
                ) from None
            if url.drivername not in _DRIVERS:
                raise OperatorError(f"sqlalchemy_url names the driver '{url.drivername}'. Use mysql+pymysql://….")
            url = url.set(drivername="mysql+pymysql")
        else:
            missing = [name for name in ("host", "user", "database") if not config.get(name)]
            if missing:
                raise OperatorError(f"Setting missing: {', '.join(missing)} (or give sqlalchemy_url instead).")
            url = sa.URL.create(
                "mysql+pymysql",
                username=config["user"],
                password=config.get("password"),
                host=config["host"],
                port=config.get("port"),
                database=config["database"],
            )
        return url.render_as_string(hide_password=False)

    def create_engine(self) -> sa.Engine:
        """Return the engine; each connection is a new one, and statements never show their parameters in errors."""
        url = sa.make_url(self.sqlalchemy_url)
        if url.database is None:
            raise OperatorError("sqlalchemy_url names no database. Write it as …@host:3306/database.")
        settings: dict[str, Any] = {}
        engine = sa.create_engine(
            url,
            creator=lambda: StreamingConnection(settings),
            poolclass=NullPool,
            pool_reset_on_return=None,
            hide_parameters=True,
        )
        _, of_url = engine.dialect.create_connect_args(url)
        settings |= {
            "charset": "utf8mb4",
            "connect_timeout": _CONNECT_SECONDS,
            "read_timeout": _READ_SECONDS,
            "write_timeout": _READ_SECONDS,
            "autocommit": False,
            **of_url,
            **tls_settings(self.config),
        }
        settings.pop("client_flag", None)
        if isinstance(settings.get("password"), str):
            # PyMySQL would encode it as Latin-1; the server compares the bytes of UTF-8.
            settings["password"] = settings["password"].encode()
        return engine

    def open_session(self, former_id: int | None = None) -> Session:
        """Connect.

        Args:
            former_id: the server's number of a lost connection this one takes the place of.

        Raises:
            sqlalchemy.exc.DBAPIError: the server cannot be reached or refuses; :meth:`connect_error` explains.
        """
        connection = self._engine.connect()
        try:
            return Session(connection, str(self.config["time_zone"]), former_id)
        except BaseException:
            connection.invalidate()
            raise

    def connect_error(self, error: BaseException) -> OperatorError:
        """Return the one line an operator needs when :meth:`open_session` failed."""
        url = sa.make_url(self.sqlalchemy_url)
        where = f"{url.host}:{url.port or 3306}, user '{url.username}', database '{url.database}'"
        if isinstance(error, (ssl.SSLError, OSError)) and server_error(error) is None:
            return OperatorError(f"Cannot connect to {where}: {error.strerror or type(error).__name__}.")
        if server_error(error) is None:
            return OperatorError(f"Cannot connect to {where}: {type(error).__name__}.")
        reason = tells_host(error)
        if "SSL" in reason:
            return OperatorError(f"Cannot connect to {where}: {advice(TLS_FAILED).message} {reason}.")
        return OperatorError(f"Cannot connect to {where}: {explain(error)}{f' {reason}.' if reason else ''}")


def tls_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return PyMySQL's ``ssl`` setting.

    Without any TLS setting PyMySQL uses TLS where the server offers it, unverified. With ``ssl_ca`` or
    ``ssl_verify: true`` the certificate and the host's name are verified; ``ssl_verify: false`` only encrypts.

    Raises:
        OperatorError: a file cannot be read or is no certificate or key.
    """
    ca, certificate, key = (config.get(name) or None for name in ("ssl_ca", "ssl_cert", "ssl_key"))
    verify = config.get("ssl_verify")
    if verify is None:
        verify = ca is not None
    if not (ca or certificate or key or config.get("ssl_verify") is not None):
        return {}
    try:
        context = ssl.create_default_context(cafile=ca)
        if certificate:
            context.load_cert_chain(certificate, keyfile=key)
    except (OSError, ssl.SSLError) as error:
        raise OperatorError(
            f"The TLS files cannot be used: {error.strerror or type(error).__name__}. Check ssl_ca, ssl_cert and "
            "ssl_key."
        ) from None
    context.check_hostname = verify
    context.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
    # Certificates that MySQL makes for itself lack what Python 3.13's strict mode asks for.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return {"ssl": context}
