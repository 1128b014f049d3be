"""Fixtures for the tests of every package: real database servers, each started once for a test process."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests import servers

if TYPE_CHECKING:
    from collections.abc import Iterator

_numbers = itertools.count(1)
# Two test processes share two cores with servers: how long an example takes says nothing.
hypothesis.settings.register_profile("project", deadline=None)
hypothesis.settings.load_profile("project")


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    """A MariaDB server for the whole session."""
    yield from _server("mariadb", tmp_path_factory)


@pytest.fixture(scope="session")
def mysql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    """A MySQL server for the whole session; `local_infile` is off, as MySQL ships it."""
    yield from _server("mysql", tmp_path_factory)


@pytest.fixture(scope="session")
def seekdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    """An OceanBase seekdb server for the whole session."""
    yield from _server("seekdb", tmp_path_factory)


@pytest.fixture
def database(mariadb: servers.Server) -> Iterator[str]:
    """The name of an empty database on the MariaDB server, dropped after the test."""
    name = f"test_{next(_numbers)}"
    mariadb.execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
    yield name
    if not mariadb.alive():
        mariadb.restart()
    mariadb.execute(f"DROP DATABASE `{name}`")


def _server(flavour: servers.Flavour, tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    try:
        servers.install(flavour)
    except servers.ServerUnavailableError as error:
        pytest.skip(str(error))
    # One that is there and does not start is a failure.
    server = servers.start(flavour, tmp_path_factory.mktemp(flavour))
    yield server
    server.kill()
