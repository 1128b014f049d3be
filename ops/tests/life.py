"""A project's life without waiting for it: what Meltano would have left behind at any time, written where it would be.

The columns of `runs` and the lines of the log are those of Meltano 4.4.1, taken down from real runs.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, contextmanager
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from meltano_ops import export, rounds, store
from meltano_ops.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from meltano_ops.rounds import Round

BEIJING = ZoneInfo("Asia/Shanghai")
PIPELINE = "prod:tap-life-to-target-life"
PROJECT = """
default_environment: prod
environments: [{name: prod}]
plugins:
  extractors:
  - {name: tap-life, namespace: tap_life}
  loaders:
  - {name: target-life, namespace: target_life}
jobs:
- {name: life, tasks: [tap-life target-life]}
schedules:
- {name: life-2h, interval: '2 */2 * * *', job: life}
"""
RUNS = """
CREATE TABLE runs (
  id INTEGER NOT NULL, job_name VARCHAR, state VARCHAR(7), started_at DATETIME, ended_at DATETIME, payload VARCHAR,
  payload_flags INTEGER, run_id CHAR(32), "trigger" VARCHAR, last_heartbeat_at DATETIME, PRIMARY KEY (id)
)
"""


class Life:
    """One project in a folder, whose runs are written down rather than run."""

    def __init__(self, root: Path, project: str = PROJECT, **environ: str) -> None:
        self.root = root
        (root / ".meltano").mkdir(parents=True)
        (root / "meltano.yml").write_text(project, encoding="utf-8")
        (root / "logging.yaml").write_text(export.logging_yaml(), encoding="utf-8")
        self.log = root / ".meltano" / "meltano-ops.jsonl"
        self.settings = load_settings(root, environ)
        with self.history() as history:
            history.execute("PRAGMA journal_mode = WAL")
            history.execute(RUNS)
        self.facts = store.connect(self.settings.database, self.settings.timezone)

    @contextmanager
    def history(self) -> Iterator[sqlite3.Connection]:
        """Open Meltano's system database for one transaction."""
        with closing(sqlite3.connect(self.root / ".meltano" / "meltano.db")) as connection, connection:
            yield connection

    def start(self, at: datetime, pipeline: str = PIPELINE, run_id: str | None = None) -> str:
        """Begin a run; it is RUNNING with a heartbeat of that moment."""
        run_id = run_id or uuid4().hex
        with self.history() as history:
            history.execute(
                'INSERT INTO runs (job_name, state, started_at, payload, run_id, "trigger", last_heartbeat_at)'
                " VALUES (?, 'RUNNING', ?, '{}', ?, 'schedule:life-2h', ?)",
                (pipeline, _utc(at), run_id, _utc(at)),
            )
        return run_id

    def end(self, run_id: str, at: datetime, state: str = "SUCCESS", error: str | None = None) -> None:
        """End a run."""
        with self.history() as history:
            history.execute(
                "UPDATE runs SET state = ?, ended_at = ?, last_heartbeat_at = ?, payload = ? WHERE run_id = ?",
                (state, _utc(at), _utc(at), json.dumps({"error": error} if error else {}), run_id),
            )

    def beat(self, run_id: str, at: datetime) -> None:
        """Let a run's heart beat."""
        with self.history() as history:
            history.execute("UPDATE runs SET last_heartbeat_at = ? WHERE run_id = ?", (_utc(at), run_id))

    def say(self, run_id: str, at: datetime, event: str, pipeline: str | None = PIPELINE, **entry: object) -> None:
        """Write one line of the JSON log."""
        line = {
            "event": event,
            "run_id": str(UUID(run_id)),
            "level": "info",
            "timestamp": at.astimezone(timezone.utc).isoformat().replace("+00:00", "Z"),
            **({"job_name": pipeline} if pipeline else {}),
            **entry,
        }
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def metric(self, run_id: str, at: datetime, name: str, value: float, **tags: Any) -> None:  # noqa: ANN401 - whatever a tag is
        """Write a METRIC line; `pipeline` and `plugin` say whose."""
        pipeline, plugin = tags.pop("pipeline", PIPELINE), tags.pop("plugin", "tap-life")
        info = {"type": "counter", "metric": name, "value": value, "tags": {"stream": "tickets", **tags}}
        target = plugin.startswith("target")
        self.say(
            run_id, at, "METRIC", pipeline, metric_info=info, string_id=plugin, producer=not target, consumer=target
        )

    def window(self, run_id: str, at: datetime, start: datetime, end: datetime, **tags: Any) -> None:  # noqa: ANN401 - whatever a tag is
        """Write a window metric, verified unless the tags say otherwise."""
        tags = {"source_total": 5, "distinct_keys": 5, "repeats": 0, "verified": True, **tags}
        self.metric(
            run_id, at, "window", tags["distinct_keys"] or 0, start=start.isoformat(), end=end.isoformat(), **tags
        )

    def good_run(self, at: datetime, rows: int = 50, pipeline: str = PIPELINE) -> str:
        """A run as it should be: one verified window up to two minutes before it, all rows written."""
        run_id = self.start(at, pipeline)
        self.window(run_id, at, at - timedelta(hours=2, minutes=12), at - timedelta(minutes=2), pipeline=pipeline)
        self.metric(run_id, at, "record_count", rows, pipeline=pipeline)
        self.metric(run_id, at, "http_request_count", 3, pipeline=pipeline)
        self.metric(
            run_id,
            at,
            "batch_written",
            rows,
            pipeline=pipeline,
            plugin="target-life",
            table="life_tickets",
            method="replace",
        )
        self.end(run_id, at + timedelta(seconds=40))
        return run_id

    def failed_run(self, at: datetime, error: str) -> str:
        """A run whose tap says what is wrong and ends."""
        run_id = self.start(at)
        self.say(run_id, at, error, string_id="tap-life", level="error", producer=True, consumer=False)
        self.end(run_id, at + timedelta(seconds=9), "FAIL", "Extractor failed")
        return run_id

    def check(self, at: datetime) -> Round:
        """Run a round of checks at that time."""
        return rounds.check_round(self.facts, self.settings, at.timestamp())

    def all(self, query: str, *values: object) -> list[Mapping[str, Any]]:
        """Return what the facts have."""
        return [dict(row) for row in self.facts.execute(query, values)]


def _utc(at: datetime) -> str:
    return at.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f")
