from __future__ import annotations

import argparse
import sys
from importlib import import_module

from tests.sandbox.clock import Clock, to_ms
from tests.sandbox.server import serve

PLATFORMS = ("kuaimai", "dingtalk")


def main() -> None:
    """Start the stand-in that the first argument names; the rest are its options.

    Every platform's package has a module ``command`` with ``add_arguments(parser)`` and ``make(clock, args)``.
    """
    chooser = argparse.ArgumentParser(prog="python -m tests.sandbox", description="Stand-ins of the open platforms.")
    chooser.add_argument("platform", choices=PLATFORMS)
    name = chooser.parse_args(sys.argv[1:2]).platform
    command = import_module(f"tests.sandbox.{name}.command")

    parser = argparse.ArgumentParser(prog=f"python -m tests.sandbox {name}")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: any free one)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed and --now give the same data (default 1)")
    parser.add_argument("--days", type=int, default=30, help="days of history before --now (default 30)")
    parser.add_argument("--now", help="start the clock here, e.g. '2026-01-31 12:00:00' Beijing (default: the present)")
    parser.add_argument("--until-stdin-closes", action="store_true", help="stop when standard input ends")
    command.add_arguments(parser)
    args = parser.parse_args(sys.argv[2:])

    platform = command.make(Clock(to_ms(args.now) if args.now else None), args)
    serve(platform, args.port, until_stdin_closes=args.until_stdin_closes)


main()
