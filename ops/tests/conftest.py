"""Fixtures: a project's life in a folder, and places that take alerts."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pytest
from meltano_ops.robots import register_robots

from ops.tests.life import Life
from ops.tests.receivers import Receiver, receiver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="session", autouse=True)
def _apprise_plugins() -> None:
    """Load Apprise's plugins once: one of them imports a module that Python 3.11 has deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        register_robots()


@pytest.fixture
def make_life(tmp_path: Path) -> Iterator[Callable[..., Life]]:
    """Make projects; their facts are closed after the test."""
    lives: list[Life] = []

    def make(**arguments: str) -> Life:
        lives.append(Life(tmp_path / f"project{len(lives)}", **arguments))
        return lives[-1]

    yield make
    for life in lives:
        life.facts.close()


@pytest.fixture
def life(make_life: Callable[..., Life]) -> Life:
    """One project with one pipeline that is due at two minutes past every other hour."""
    return make_life()


@pytest.fixture
def robot() -> Iterator[Receiver]:
    """A 钉钉 robot."""
    with receiver() as server:
        yield server


@pytest.fixture
def webhook() -> Iterator[Receiver]:
    """A webhook."""
    with receiver() as server:
        yield server
