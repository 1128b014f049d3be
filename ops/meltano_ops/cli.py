# ruff: noqa: PLC0415 - each command imports what it needs: `status` and a run from cron start in a third of the time
"""The command line: `meltano-ops serve | check | status | schedule | alert-test | repair | export`."""

from __future__ import annotations

import logging
import shutil
import signal
import sqlite3
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from meltano_ops import __version__, store
from meltano_ops.project import load_project
from meltano_ops.settings import OpsError, Settings, find_project, load_settings

EXIT_PROBLEMS = 1
EXIT_MISTAKE = 2
DEFAULT_PORT = 8765


class _Group(click.Group):
    """Shows a mistake the operator can mend as one line, with exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own
        try:
            return super().invoke(ctx)
        except OpsError as error:
            click.echo(f"meltano-ops: {error}", err=True)
            ctx.exit(EXIT_MISTAKE)
        except sqlite3.DatabaseError as error:
            database = ctx.obj.database
            if store.is_damage(error):
                store.set_aside(database)
            click.echo(f"meltano-ops: {database} cannot be used now ({error}); try again.", err=True)
            ctx.exit(EXIT_MISTAKE)


def _open(settings: Settings) -> closing[sqlite3.Connection]:
    return closing(store.connect(settings.database, settings.timezone))


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.option("--project", type=click.Path(exists=True, file_okay=False, path_type=Path), help="The Meltano project.")
@click.pass_context
def cli(ctx: click.Context, project: Path | None) -> None:
    """Status page, checks, alerts and a scheduler for a Meltano project."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    for noisy in ("apprise", "apscheduler", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    ctx.obj = load_settings(find_project((project or Path.cwd()).resolve()))


@cli.command()
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address; other than loopback needs MELTANO_OPS_PASSWORD."
)
@click.option("--port", default=DEFAULT_PORT, show_default=True, help="Port; 0 lets the system choose.")
@click.pass_obj
def serve(settings: Settings, host: str, port: int) -> None:
    """Show the status page until Ctrl-C."""
    from meltano_ops.collect import collect
    from meltano_ops.page.server import keep_collecting, page_server

    server = page_server(settings, host, port)
    stop = threading.Event()
    with _open(settings) as connection:
        collect(connection, settings)
    collector = threading.Thread(target=keep_collecting, args=(settings, stop), daemon=True)
    collector.start()
    announce = threading.Thread(target=_announce, args=(server, host), daemon=True)
    announce.start()
    try:
        server.run()
    finally:
        stop.set()
        collector.join(timeout=30)
    if not server.started:
        raise OpsError(f"The page could not be bound to {host}:{port}.")


def _announce(server: Any, host: str) -> None:  # noqa: ANN401 - uvicorn's server
    """Print the address once it is known (port 0)."""
    from meltano_ops.page.server import is_loopback

    while not server.started and not server.should_exit:
        time.sleep(0.05)
    for listener in server.servers:
        port = listener.sockets[0].getsockname()[1]
        shown = "127.0.0.1" if is_loopback(host) else host
        click.echo(f"状态页 / status page: http://{shown}:{port}/")


@cli.command()
@click.pass_obj
def check(settings: Settings) -> None:
    """Run all checks and send what is due; exit code 1 when something is wrong."""
    from meltano_ops.rounds import check_round

    with _open(settings) as connection:
        done = check_round(connection, settings)
    for result in done.results:
        click.echo(f"{result.status:<8} {result.check.name:<24} {result.check.title.zh} {result.detail or ''}".rstrip())
    for problem in done.problems:
        click.echo(f"✗ {problem.message.zh}")
        if problem.advice.zh:
            click.echo(f"  → {problem.advice.zh}")
    for delivery in done.deliveries:
        click.echo(f"{'已送达' if delivery.accepted else '未送达'} {delivery.address} {delivery.detail or ''}".rstrip())
    if done.undelivered:
        raise OpsError("No address took the alert; it is sent again with the next check.")
    sys.exit(EXIT_PROBLEMS if done.problems else 0)


@cli.command()
@click.option("--lang", type=click.Choice(["zh", "en"]), default="zh", show_default=True)
@click.pass_obj
def status(settings: Settings, lang: str) -> None:
    """Print what the page's first screen shows."""
    from meltano_ops.collect import collect, unreadable
    from meltano_ops.status import status_lines

    with _open(settings) as connection:
        collect(connection, settings)
        for line in unreadable(connection):
            click.echo(f"meltano-ops: {line}", err=True)
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        for line in status_lines(connection, settings, time.time(), lang, width):
            click.echo(line)


@cli.command()
@click.option(
    "--once", metavar="NAME", help="Run this schedule now and exit with Meltano's exit code (for cron, systemd)."
)
@click.option("--serve", "with_page", is_flag=True, help="Show the status page too.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=DEFAULT_PORT, show_default=True)
@click.pass_obj
def schedule(settings: Settings, once: str | None, host: str, port: int, *, with_page: bool) -> None:
    """Run the schedules of meltano.yml, and the checks and alerts, until Ctrl-C or SIGTERM."""
    from meltano_ops.launcher import run_once

    stop = _stop_on_signal()
    if once:
        sys.exit(run_once(settings, once, stop))
    from meltano_ops.page.server import page_server
    from meltano_ops.scheduler import Scheduler

    scheduler = Scheduler(settings, stop)
    server = page_server(settings, host, port) if with_page else None
    page = None
    if server:
        with _open(settings):
            pass  # the page reads a file that must exist
        # In a thread: the signals belong to the scheduler.
        page = threading.Thread(target=server.run, daemon=True)
        page.start()
        threading.Thread(target=_announce, args=(server, host), daemon=True).start()
    try:
        scheduler.run()
    finally:
        if server and page:
            server.should_exit = True
            page.join(timeout=10)


def _stop_on_signal() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


@cli.command("alert-test")
@click.option("--reason", type=click.Choice(["check-failed"]), hidden=True)
@click.pass_obj
def alert_test(settings: Settings, reason: str | None) -> None:
    """Send a test message to every alert address and say whether it was taken."""
    from meltano_ops import alerts

    with _open(settings) as connection:
        if reason:
            title = f"【{settings.root.name}】检查本身没有完成"
            body = "meltano-ops check 异常退出，监控暂时失效。查看：journalctl -u 'meltano-*-check'"
            deliveries = alerts.send(connection, settings, title, body, int(time.time()))
        else:
            deliveries = alerts.send_test(connection, settings)
    for delivery in deliveries:
        click.echo(f"{'已送达' if delivery.accepted else '未送达'} {delivery.address} {delivery.detail or ''}".rstrip())
    sys.exit(0 if deliveries and all(delivery.accepted for delivery in deliveries) else EXIT_PROBLEMS)


@cli.command("repair")
@click.option("--stream", required=True, help="The stream to read again; its child streams come along.")
@click.option("--from", "start", required=True, metavar="TIME", help="Begin of the range of its replication key.")
@click.option("--to", "end", default="now", show_default=True, metavar="TIME", help="End of the range.")
@click.option(
    "--verify", is_flag=True, help="Compare the keys of source and table before and after, and print what differs."
)
@click.pass_obj
def repair_command(settings: Settings, stream: str, start: str, end: str, *, verify: bool) -> None:
    """Read a range of a stream again (漏单补救), without touching the bookmark."""
    from meltano_ops import repair
    from meltano_ops.collect import collect

    stop = _stop_on_signal()
    first, last = repair.parse_instant(start, settings), repair.parse_instant(end, settings)
    if first >= last:
        raise OpsError(f"--from {start} is not before --to {end}.")
    project = load_project(settings.root, settings.environment)
    with _open(settings) as connection:
        collect(connection, settings)
        block = repair.find_block(connection, project, stream)
        table = repair.table_name(connection, block, stream)
    environment = repair.range_environment(settings, block, stream, first, last)
    click.echo(
        f"{stream}：{first:%Y-%m-%d %H:%M:%S} 至 {last:%Y-%m-%d %H:%M:%S}，{block.tap} → {block.target} → {table}"
    )
    compared = None
    if verify:
        compared = repair.Comparison.begin(
            settings, block, stream=stream, table=table, environment=environment, span=(first, last)
        )
    if compared:
        click.echo("补救前：" + "\n".join(compared.lines()))
    code = repair.reload_range(settings, project, block, environment, stop.is_set)
    with _open(settings) as connection:
        collect(connection, settings)
    if code != 0:
        raise OpsError(f"The repair run failed with exit code {code}; see its log above, or the page.")
    if compared:
        compared.again()
        click.echo("补救后：" + "\n".join(compared.lines()))
        sys.exit(EXIT_PROBLEMS if compared.difference.missing else 0)


@cli.group("export")
def export_group() -> None:
    """Write the schedules for systemd or cron, or the logging.yaml that the facts come from."""


@export_group.command("systemd")
@click.option(
    "--output", type=click.Path(file_okay=False, path_type=Path), help="Write the unit files into this folder."
)
@click.pass_obj
def export_systemd(settings: Settings, output: Path | None) -> None:
    """Timers and services for every schedule, the checks and the page."""
    from meltano_ops import export

    units = export.systemd_units(settings, load_project(settings.root, settings.environment))
    for name, text in units.items():
        if output:
            output.mkdir(parents=True, exist_ok=True)
            (output / name).write_text(text, encoding="utf-8")
            click.echo(output / name)
        else:
            click.echo(f"# {name}\n{text}")


@export_group.command("cron")
@click.pass_obj
def export_cron(settings: Settings) -> None:
    """A crontab."""
    from meltano_ops import export

    click.echo(export.crontab(settings, load_project(settings.root, settings.environment)), nl=False)


@export_group.command("logging")
def export_logging() -> None:
    """The logging.yaml: put it beside meltano.yml, and rows and windows per stream are known."""
    from meltano_ops import export

    click.echo(export.logging_yaml(), nl=False)


def main() -> None:
    """Run the command line."""
    cli(prog_name="meltano-ops")
