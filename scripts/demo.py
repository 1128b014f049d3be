"""``make demo``: the shipped pipelines, for real, on one machine.

``up`` starts a private database server (or takes the one that ``TARGET_MYSQL_REPLACE_HOST`` names) and the stand-ins of
both platforms, runs the pipelines through Meltano and shows what is in the tables. Run again, a day of business has
gone by and only that is fetched. ``down`` stops everything. All that stays is in ``.demo/`` and ``.meltano/``.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pymysql
import requests

from tests import servers
from tests.sandbox.client import KuaimaiSandbox
from tests.sandbox.dingtalk.client import DingTalkSandbox

ROOT = Path(__file__).parent.parent
DEMO = ROOT / ".demo"
BIN = ROOT / ".venv" / "bin"
BEIJING = timezone(timedelta(hours=8))
DATABASE = "erp_demo"
TARGET = "TARGET_MYSQL_REPLACE_"
TICKETS = 2000
APPROVALS = 150
HISTORY_DAYS = 30
PIPELINES = (("tap-kuaimai", "target-mysql-replace"), ("tap-dingtalk-approval", "target-mysql-replace"))
STAND_IN_SECONDS = 30


class DemoError(Exception):
    """The demo cannot go on; the message tells what to do."""


def up() -> None:
    """Start what is needed, run the pipelines, show the result.

    Raises:
        DemoError: no database server can be had, or a pipeline failed.
    """
    begun = time.monotonic()
    DEMO.mkdir(exist_ok=True)
    database = database_settings()
    platforms = {**kuaimai_settings(), **dingtalk_settings()}
    settings = {"MELTANO_ENVIRONMENT": "sandbox", **platforms, **database}
    write_environment(settings)
    begin_anew_in_another_database(settings)
    written_before = written_so_far(database)
    for pipeline in PIPELINES:
        run_pipeline(pipeline, settings)
    show_tables(database, written_before)
    show_state(settings)
    print(f"\nDone in {time.monotonic() - begun:.0f} s. Next:")
    print_next_steps()


def database_settings() -> dict[str, str]:
    """Return the target's settings: the server that the environment names, or a private one, started if need be."""
    if os.environ.get(f"{TARGET}HOST"):
        given = {name: value for name, value in os.environ.items() if name.startswith(TARGET)}
        say(f"database: yours, {given[f'{TARGET}HOST']}:{given.get(f'{TARGET}PORT', '3306')}")
        return {f"{TARGET}DATABASE": DATABASE, **given}
    server = private_server()
    server.execute(f"CREATE DATABASE IF NOT EXISTS `{DATABASE}` CHARACTER SET utf8mb4")
    say(f"database: {server.flavour} on {server.host}:{server.port}, data in {shown(server.directory)}")
    return {
        f"{TARGET}HOST": server.host,
        f"{TARGET}PORT": str(server.port),
        f"{TARGET}USER": server.user,
        f"{TARGET}PASSWORD": server.password,
        f"{TARGET}DATABASE": DATABASE,
    }


def private_server() -> servers.Server:
    """Return the demo's own server: the running one, else MariaDB, else seekdb, which needs no root."""
    directory = DEMO / "database"
    if running := servers.running(directory):
        return running
    saved = directory / "server.json"
    flavours: tuple[servers.Flavour, ...] = ("mariadb", "seekdb")
    if saved.exists() and "flavour" in (known := json.loads(saved.read_text())):
        flavours = (known["flavour"],)
    for flavour in flavours:
        try:
            servers.install(flavour)
            return servers.start(flavour, directory)
        except servers.ServerUnavailableError as error:
            say(f"{flavour}: {error}")
    raise DemoError(
        "no database server can be had here. Start one with `docker compose up -d db` (compose.yaml), or set"
        f" {TARGET}HOST, {TARGET}USER and {TARGET}PASSWORD to one of yours, then `make demo` again"
    )


def kuaimai_settings() -> dict[str, str]:
    """Start the 快麦 stand-in, or let a day of business go by on the running one; return the tap's settings."""
    url, known = stand_in("kuaimai", f"--tickets={TICKETS}", f"--state-file={DEMO / 'kuaimai.journal'}")
    if known:
        # Not dated before what any run may have read already: late rows are looked for ten minutes back.
        since = (beijing_now() - timedelta(minutes=8)).isoformat()
        touched = control(url, "changes", {"op": "day", "new": 40, "changed": 60, "since": since})["ids"]
        say(f"kuaimai: a day of business went by, {len(set(touched))} tickets are new or changed")
    return {
        "TAP_KUAIMAI_API_URL": url,
        "TAP_KUAIMAI_APP_KEY": KuaimaiSandbox.app_key,
        "TAP_KUAIMAI_APP_SECRET": KuaimaiSandbox.app_secret,
        "TAP_KUAIMAI_ACCESS_TOKEN": KuaimaiSandbox.access_token,
        "TAP_KUAIMAI_START_DATE": history_start(),
        # The stand-in shows a change at once.
        "TAP_KUAIMAI_SETTLE_MINUTES": "0",
    }


def dingtalk_settings() -> dict[str, str]:
    """Start the 钉钉 stand-in, or find the running one; return the tap's settings."""
    url, _ = stand_in("dingtalk", f"--approvals={APPROVALS}")
    return {
        "TAP_DINGTALK_APPROVAL_API_URL": url,
        "TAP_DINGTALK_APPROVAL_APP_KEY": DingTalkSandbox.app_key,
        "TAP_DINGTALK_APPROVAL_APP_SECRET": DingTalkSandbox.app_secret,
        "TAP_DINGTALK_APPROVAL_START_DATE": history_start(),
    }


def stand_in(platform: str, *options: str) -> tuple[str, dict[str, Any]]:
    """Return a stand-in's address, starting it if it does not run, and what is remembered of it (empty at first)."""
    path = DEMO / f"{platform}.json"
    known: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    if known and answers(known["url"]):
        say(f"{platform}: stand-in runs on {known['url']}")
        return known["url"], known
    # The same seed and start give the same data; a stand-in that was stopped is brought to the present again.
    begun = known.get("begun", beijing_now().strftime("%Y-%m-%d %H:%M:%S"))
    command = [sys.executable, "-m", "tests.sandbox", platform, f"--days={HISTORY_DAYS}", f"--now={begun}", *options]
    with (DEMO / f"{platform}.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    url = wait_for_address(process, DEMO / f"{platform}.log")
    control(url, "clock", {"now": beijing_now().isoformat()})
    say(f"{platform}: stand-in started on {url}")
    path.write_text(json.dumps({**known, "begun": begun, "url": url, "pid": process.pid}))
    return url, known


def wait_for_address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Return the address that a stand-in prints when it listens.

    Raises:
        DemoError: it ended, or said nothing for half a minute.
    """
    deadline = time.monotonic() + STAND_IN_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        first = log.read_text().partition("\n")
        if first[1]:
            return first[0].split()[-1]
        time.sleep(0.1)
    raise DemoError(f"a stand-in did not start; its output is in {shown(log)}")


def answers(url: str) -> bool:
    """Return whether a stand-in runs at this address."""
    try:
        control(url, "clock")
    except requests.RequestException:
        return False
    return True


def control(url: str, path: str, order: dict[str, Any] | None = None) -> Any:  # noqa: ANN401 any JSON
    """Call a stand-in's control interface and return its answer."""
    origin = "/".join(url.split("/")[:3])
    verb = "GET" if order is None else "POST"
    response = requests.request(verb, f"{origin}/_control/{path}", json=order, timeout=30)
    response.raise_for_status()
    return response.json()


def history_start() -> str:
    """Return the start date of the demo, the same at every run of it."""
    path = DEMO / "start_date"
    if not path.exists():
        path.write_text((beijing_now() - timedelta(days=HISTORY_DAYS + 1)).strftime("%Y-%m-%dT00:00:00+08:00"))
    return path.read_text()


def write_environment(settings: dict[str, str]) -> None:
    """Write ``.demo/env``, with which a shell uses the demo's database and stand-ins."""
    path = DEMO / "env"
    path.touch(mode=0o600)
    lines = [f"export {name}={shlex.quote(value)}" for name, value in settings.items()]
    path.write_text("\n".join(lines) + "\n")


def begin_anew_in_another_database(settings: dict[str, str]) -> None:
    """Clear the bookmarks if the tables are in another database than last time: they tell of what is there."""
    place = "/".join(settings.get(f"{TARGET}{part}", "") for part in ("HOST", "PORT", "DATABASE"))
    path = DEMO / "written_to"
    if path.exists() and path.read_text() != place:
        for source, target in PIPELINES:
            command = [str(BIN / "meltano"), "state", "clear", "--force", f"sandbox:{source}-to-{target}"]
            subprocess.run(command, cwd=ROOT, env={**os.environ, **settings}, capture_output=True, check=False)
    path.write_text(place)


def run_pipeline(pipeline: tuple[str, ...], settings: dict[str, str]) -> None:
    """Run one pipeline through Meltano; its full output goes to a log, its errors to the terminal.

    Raises:
        DemoError: it failed.
    """
    say(f"meltano run {' '.join(pipeline)}")
    log = DEMO / f"{pipeline[0]}.log"
    begun = time.monotonic()
    with log.open("wb") as output:
        code = subprocess.run(
            [str(BIN / "meltano"), "run", *pipeline],
            cwd=ROOT,
            env={**os.environ, **settings},
            stdout=output,
            stderr=output,
            check=False,
        ).returncode
    if code:
        print("\n".join(log.read_text(errors="replace").splitlines()[-15:]))
        raise DemoError(f"the pipeline ended with {code}; all it said is in {shown(log)}")
    print(f"    ok, {time.monotonic() - begun:.0f} s")


def connect(settings: dict[str, str]) -> pymysql.Connection[Any]:
    """Return a connection to the database that the target writes to."""
    return pymysql.connect(
        host=settings[f"{TARGET}HOST"],
        port=int(settings.get(f"{TARGET}PORT", "3306")),
        user=settings[f"{TARGET}USER"],
        password=settings.get(f"{TARGET}PASSWORD", ""),
        database=settings[f"{TARGET}DATABASE"],
    )


def written_so_far(settings: dict[str, str]) -> dict[str, int]:
    """Return the rows that all batches ever wrote, by table, from the target's ledger."""
    with connect(settings) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW TABLES LIKE '\\_load\\_ledger'")
        if not cursor.fetchall():
            return {}
        cursor.execute("SELECT table_name, SUM(rows_written) FROM _load_ledger GROUP BY table_name")
        return {table: int(rows) for table, rows in cursor.fetchall()}


def show_tables(settings: dict[str, str], written_before: dict[str, int]) -> None:
    """Print every table with its rows, and how many of them this run wrote."""
    written = written_so_far(settings)
    print(f"\n{'table':<44}{'rows':>9}{'written now':>13}")
    with connect(settings) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW TABLES")
        for (table,) in list(cursor.fetchall()):
            cursor.execute(f"SELECT COUNT(*) FROM `{table}`")  # noqa: S608 a name that the server gave
            ((rows,),) = cursor.fetchall()
            now = "" if table.startswith("_") else written.get(table, 0) - written_before.get(table, 0)
            print(f"{table:<44}{rows:>9}{now:>13}")


def show_state(settings: dict[str, str]) -> None:
    """Print how far every stream has been read."""
    print(f"\n{'stream':<44}{'read until':>29}")
    for source, target in PIPELINES:
        command = [str(BIN / "meltano"), "state", "get", f"sandbox:{source}-to-{target}"]
        finished = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **settings}, capture_output=True, text=True, check=True
        )
        state = json.loads(next(line for line in finished.stdout.splitlines() if line.startswith("{")))
        for stream, bookmark in state["singer_state"]["bookmarks"].items():
            if until := bookmark.get("replication_key_value"):
                still_open = bookmark.get("open_approvals", [])
                print(f"{stream:<44}{until:>29}{f'   {len(still_open)} approvals still open' if still_open else ''}")


def print_next_steps() -> None:
    """Print what to try after the demo."""
    steps = (
        ("make demo", "again: a day of business has gone by, and only that is fetched"),
        (". .demo/env", "this shell uses the demo's settings from here on, for the commands below"),
        (".venv/bin/meltano state get sandbox:tap-kuaimai-to-target-mysql-replace", "the bookmarks in full"),
        (
            ".venv/bin/meltano run --state-id-suffix=flat tap-kuaimai beat-flat target-mysql-replace",
            "a wide table, one row per item",
        ),
        ("make up", "scheduler, status page and alerts"),
        ("make demo-down", "stop what the demo started"),
    )
    for command, meaning in steps:
        print(f"    {command}\n        {meaning}")


def down() -> None:
    """Stop the demo's database server and stand-ins; their data stay in ``.demo/``."""
    for platform in ("kuaimai", "dingtalk"):
        path = DEMO / f"{platform}.json"
        if not path.exists():
            continue
        known = json.loads(path.read_text())
        if answers(known["url"]):
            os.kill(known["pid"], signal.SIGTERM)
            print(f"{platform}: stand-in stopped")
    if server := servers.running(DEMO / "database"):
        server.stop()
        print("database server stopped")


def beijing_now() -> datetime:
    """Return the present with the offset of Beijing."""
    return datetime.now(BEIJING)


def shown(path: Path) -> str:
    """Return a path as a user of the project would type it."""
    return str(path.relative_to(ROOT))


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    print(line, flush=True)


def main() -> int:
    """Run ``up`` or ``down``; return the exit code."""
    try:
        {"up": up, "down": down}[sys.argv[1]]()
    except DemoError as error:
        print(f"make demo: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
