"""A Singer target with the SDK's SQL sink as it comes: what somebody writes in an afternoon."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import measure
from tests.bench.environments import environment

if TYPE_CHECKING:
    from tests.bench.destination import Destination
    from tests.bench.tickets import Tickets

LABEL = "singer-sdk 0.54.9 `SQLTarget`, its default insert (`ON DUPLICATE KEY UPDATE`)"
OWN_TABLE = False

_PROGRAM = Path(__file__).parent / "programs" / "plain_sdk_target.py"


def prepare() -> None:
    """Install the SDK."""
    _python()


def run(lines: Tickets, server: Destination) -> measure.Measurement:
    """Pipe the Singer lines into the target."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as config:
        json.dump({"sqlalchemy_url": server.url}, config)
        config.flush()
        return measure.run(
            [_python(), _PROGRAM, "--config", config.name], server, lines.rows, standard_input=lines.singer
        )


def _python() -> Path:
    return environment("plain-sdk", "singer-sdk==0.54.9", "sqlalchemy==2.0.58", "pymysql==1.2.4") / "python"
