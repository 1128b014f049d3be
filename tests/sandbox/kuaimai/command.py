"""The gateway's options on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.sandbox.kuaimai.declarations import read_apis
from tests.sandbox.kuaimai.gateway import Gateway
from tests.sandbox.kuaimai.world import World, open_journal

if TYPE_CHECKING:
    import argparse

    from tests.sandbox.clock import Clock


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what only this platform has."""
    parser.add_argument("--tickets", type=int, default=2000, help="after-sales tickets, at most 300,000 (default 2000)")
    parser.add_argument("--trades", type=int, default=500, help="orders (default 500)")
    parser.add_argument(
        "--state-file", type=Path, help="a journal: a sandbox started again with it goes on where the last one stopped"
    )


def make(clock: Clock, args: argparse.Namespace) -> Gateway:
    """Return the gateway that the command line asks for."""
    facts = {
        "seed": args.seed,
        "tickets": args.tickets,
        "trades": args.trades,
        "days": args.days,
        "end_ms": clock.now_ms() // 60_000 * 60_000,
    }
    if args.state_file:
        facts = open_journal(args.state_file, facts)
    world = World(read_apis(), **facts)
    if args.state_file:
        world.keep_journal(args.state_file)
    return Gateway(clock, args.seed, world)
