"""Fixtures of the end-to-end tests: a stand-in of 快麦, and a project that reads from it into a real database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import tickets
from tests.project import Project
from tests.sandbox.client import KuaimaiSandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers import Server


@pytest.fixture
def kuaimai() -> Iterator[KuaimaiSandbox]:
    """A 快麦 gateway with 1,200 tickets of the last ten days, without a rate limit."""
    with KuaimaiSandbox(tickets=1200, days=10) as sandbox:
        sandbox.set_options(rate_per_second=None)
        yield sandbox


@pytest.fixture
def project(tmp_path: Path, mariadb: Server, database: str, kuaimai: KuaimaiSandbox) -> Project:
    """The shipped project, with its settings pointing at the stand-in and at an empty database."""
    return Project.create(tmp_path / "project", mariadb, database, tickets.settings(kuaimai))
