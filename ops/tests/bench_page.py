"""How long the page takes over 500 runs and 1,000,000 facts: `python ops/tests/bench_page.py [facts]`.

Makes a project in a temporary folder, fills its facts' file, serves the page in a process of its own and asks for each
of its screens over HTTP.
"""

from __future__ import annotations

import platform
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path

import requests
from meltano_ops import store
from meltano_ops.settings import load_settings

RUNS = 500
REQUESTS = 30
DESTINATION = "prod:target-mysql-replace"
TAPS = ("tap-kuaimai", "tap-kuaimai--repair", "tap-kuaimai--audit", "tap-dingtalk-approval")
PROJECT = f"""
default_environment: prod
plugins:
  extractors: [{", ".join(f"{{name: {tap}}}" for tap in TAPS)}]
  loaders: [{{name: target-mysql-replace}}]
jobs: [{", ".join(f"{{name: job-{tap}, tasks: [{tap} target-mysql-replace]}}" for tap in TAPS)}]
schedules: [{", ".join(f"{{name: every-{tap}, interval: '2 */2 * * *', job: job-{tap}}}" for tap in TAPS)}]
"""
SCREENS = ("/", "/rows/runs", "/rows/windows", "/rows/windows?state=repeated", "/rows/errors", "/rows/metrics")


def fill(root: Path, facts: int) -> None:
    """Write 500 runs of four pipelines, and that many windows and metrics."""
    settings = load_settings(root, {})
    connection = store.connect(settings.database, settings.timezone)
    chance = random.Random(1)
    now = int(time.time())
    per_run = facts // RUNS
    for number in range(RUNS):
        pipeline = f"prod:{TAPS[number % len(TAPS)]}-to-target-mysql-replace"
        run_id, at = f"{number:032x}", now - (RUNS - number) * 4500
        state = "FAIL" if chance.random() < 0.05 else "SUCCESS"
        with store.transaction(connection):
            connection.execute(
                "INSERT INTO runs (run_id, pipeline, state, started_at, ended_at, rows_read, rows_loaded, requests)"
                " VALUES (?, ?, ?, ?, ?, 900, 900, 20)",
                (run_id, pipeline, state, at, at + 60),
            )
            if state == "FAIL":
                connection.execute(
                    "INSERT INTO errors (run_id, pipeline, level, message, logged_at) VALUES (?, ?, 'error', ?, ?)",
                    (run_id, pipeline, "会话已过期（code 25）\n" * 5, at),
                )
            connection.executemany(
                """INSERT INTO windows (run_id, pipeline, destination, stream, start_at, end_at, source_total,
                     distinct_keys, repeats, verified, logged_at) VALUES (?, ?, ?, ?, ?, ?, 50, 50, ?, 1, ?)""",
                (
                    (
                        run_id,
                        pipeline,
                        DESTINATION,
                        f"stream_{part % 9}",
                        at - part - 60,
                        at - part,
                        chance.random() < 0.001,
                        at,
                    )
                    for part in range(per_run)
                ),
            )
    connection.execute(
        "INSERT INTO coverage SELECT pipeline, 'stream_0', max(end_at), max(logged_at) FROM windows GROUP BY 1"
    )
    connection.execute("ANALYZE")
    connection.close()


def main() -> None:
    """Fill, serve, ask, print."""
    facts = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "meltano.yml").write_text(PROJECT, encoding="utf-8")
        fill(root, facts)
        command = [sys.executable, "-m", "meltano_ops", "--project", folder, "serve", "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                line = server.stdout.readline() if server.stdout else ""
                address = re.search(r"http://\S+", line)
                if address is None:
                    sys.exit("the page did not start")
                today, version = datetime.now(timezone.utc).date(), platform.python_version()
                sys.stdout.write(f"{today}, Python {version}: {RUNS} runs, {facts:,} facts\n")
                for screen in SCREENS:
                    sys.stdout.write(f"{median(address[0].rstrip('/') + screen):8.0f} ms  {screen}\n")
            finally:
                server.terminate()


def median(url: str) -> float:
    """Return the median of the times that a request takes, in milliseconds."""
    times = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        requests.get(url, timeout=60).raise_for_status()
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times)


main()
