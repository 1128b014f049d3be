"""A new user follows the README literally, in a fresh clone without an environment, caches or a database."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from scripts.demo import TICKETS
from tests import servers, tickets
from tests.project import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow


def commands(document: Path) -> list[str]:
    """Return the commands of a document's console blocks, in order."""
    blocks = re.findall(r"^```console\n(.*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A clone of what is here, committed or not; its servers are stopped afterwards."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    place = tmp_path_factory.mktemp("new-user") / "clone"
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name)
    yield place
    shell("make demo-down", place)


def shell(command: str, place: Path, **settings: str) -> str:
    """Run a command in the clone as a user's shell would, and return what it prints."""
    ours = ("TAP_", "TARGET_", "MELTANO_", "UV_", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment |= {"XDG_STATE_HOME": str(place.parent / "logs"), **settings}
    finished = subprocess.run(
        ["sh", "-c", command],
        cwd=place,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, f"{command}:\n{finished.stdout}"
    return finished.stdout


def counts(place: Path, *tables: str) -> list[int]:
    """Return the rows of tables of the demo's database."""
    server = servers.running(place / ".demo" / "database")
    assert server is not None
    with server.connect("erp_demo") as connection, connection.cursor() as cursor:
        found = []
        for table in tables:
            cursor.execute(f"SELECT COUNT(*) FROM `{table}`")
            found.append(int(cursor.fetchall()[0][0]))
    return found


def test_the_readme_s_commands_work_in_order(clone: Path) -> None:
    """Both languages have the same commands (test_documents.py)."""
    todo = commands(ROOT / "README.md")
    assert todo[:3] == ["make demo", "cp .env.example .env", ".venv/bin/meltano run tap-kuaimai target-mysql-replace"]
    printed = shell(todo.pop(0), clone)
    assert "make demo-down" in printed
    first = counts(clone, tickets.TICKETS, tickets.ITEMS)
    assert first[0] > 0
    shell("make demo", clone)
    assert counts(clone, tickets.TICKETS)[0] > first[0]
    for command in todo:
        if "state get prod:" in command:
            # The demo's shell has the environment `sandbox`.
            shell(f". .demo/env && {command.replace('prod:', 'sandbox:')}", clone)
        else:
            shell(f". .demo/env && {command}", clone)
    assert counts(clone, tickets.TICKETS)[0] > first[0]


def test_a_database_that_the_environment_names_is_used(clone: Path, mariadb: servers.Server, database: str) -> None:
    shell(
        "make demo",
        clone,
        TARGET_MYSQL_REPLACE_HOST=mariadb.host,
        TARGET_MYSQL_REPLACE_PORT=str(mariadb.port),
        TARGET_MYSQL_REPLACE_USER=mariadb.user,
        TARGET_MYSQL_REPLACE_PASSWORD=mariadb.password,
        TARGET_MYSQL_REPLACE_DATABASE=database,
    )
    with mariadb.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM `{tickets.TICKETS}`")
        # All of them, though the demo has bookmarks from its own database.
        assert cursor.fetchall()[0][0] > TICKETS
