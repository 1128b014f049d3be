"""A Meltano project in a directory of its own, as a user would have it, for tests that run the shipped pipelines."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pymysql.cursors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.servers import Server

ROOT = Path(__file__).parent.parent
BIN = ROOT / ".venv" / "bin"
FILES = ("meltano.yml", "logging.yaml", "transforms/mappings.meltano.yml")
RUN_SECONDS = 300


@dataclasses.dataclass
class Project:
    """The shipped ``meltano.yml`` in its own directory: own state, own logs, own settings.

    Attributes:
        directory: the project's root.
        server: the database server that the target writes to.
        database: the database there.
        settings: environment variables of every command, e.g. ``TAP_KUAIMAI_API_URL``.
    """

    directory: Path
    server: Server
    database: str
    settings: dict[str, str]

    @classmethod
    def create(cls, directory: Path, server: Server, database: str, settings: Mapping[str, str]) -> Project:
        """Lay out the project and return it."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / ".venv").symlink_to(ROOT / ".venv")
        for name in FILES:
            # Meltano wants its files inside the project: copies, not links.
            (directory / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, directory / name)
        target = {
            "TARGET_MYSQL_REPLACE_HOST": server.host,
            "TARGET_MYSQL_REPLACE_PORT": str(server.port),
            "TARGET_MYSQL_REPLACE_USER": server.user,
            "TARGET_MYSQL_REPLACE_PASSWORD": server.password,
            "TARGET_MYSQL_REPLACE_DATABASE": database,
        }
        return cls(directory, server, database, {**target, **settings})

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of the project's commands: this process's own, without other settings of ours."""
        foreign = ("TAP_", "TARGET_", "MELTANO_")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return {**inherited, "XDG_STATE_HOME": str(self.directory / "logs"), **self.settings, **more}

    def start(self, *command: str, **more: str) -> subprocess.Popen[str]:
        """Start a program of ``.venv/bin`` in the project, in a process group of its own, with its output piped."""
        return subprocess.Popen(
            [BIN / command[0], *command[1:]],
            cwd=self.directory,
            env=self.environment(**more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *command: str, **more: str) -> Finished:
        """Run a program of ``.venv/bin`` to its end."""
        process = self.start(*command, **more)
        output, _ = process.communicate(timeout=RUN_SECONDS)
        return Finished(process.returncode, output)

    def meltano(self, *arguments: str, **more: str) -> Finished:
        """Run Meltano and expect success."""
        finished = self.run("meltano", *arguments, **more)
        assert finished.code == 0, finished.output
        return finished

    def state(self, state_id: str = "prod:tap-kuaimai-to-target-mysql-replace") -> dict[str, Any]:
        """Return the bookmarks of a pipeline, empty without a state."""
        finished = self.run("meltano", "state", "get", state_id)
        for line in finished.output.splitlines():
            if line.startswith("{"):
                bookmarks: dict[str, Any] = json.loads(line).get("singer_state", {}).get("bookmarks", {})
                return bookmarks
        return {}

    def rows(self, table: str, where: str = "TRUE") -> list[dict[str, Any]]:
        """Return the rows of a table."""
        return self.query(f"SELECT * FROM `{table}` WHERE {where}")

    def query(self, statement: str) -> list[dict[str, Any]]:
        """Return the rows of a query as dicts."""
        with (
            self.server.connect(self.database, cursorclass=pymysql.cursors.DictCursor) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
            return list(cursor.fetchall())


@dataclasses.dataclass(frozen=True)
class Finished:
    """A program that ended: its exit code, and standard output and error together."""

    code: int
    output: str
