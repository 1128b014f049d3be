"""The stand-in's command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.sandbox.dingtalk.gateway import DingTalk
from tests.sandbox.dingtalk.office import Office
from tests.sandbox.dingtalk.switches import Switches

if TYPE_CHECKING:
    import argparse

    from tests.sandbox.clock import Clock

#: One of so many approvals stays open for months, unless told otherwise.
_ONE_OPEN_OF = 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this platform's options."""
    parser.add_argument(
        "--approvals", type=int, default=300, help="approvals of each template in the history (default 300)"
    )
    parser.add_argument(
        "--open", type=int, help=f"how many of them stay open for months (default: one of {_ONE_OPEN_OF})"
    )
    parser.add_argument("--quota", type=int, default=5000, help="calls a month; 0 is no limit (default 5000)")
    parser.add_argument("--qps", type=int, default=20, help="calls a second per API; 0 is no limit (default 20)")


def make(clock: Clock, args: argparse.Namespace) -> DingTalk:
    """Return the stand-in that the options describe."""
    still_open = args.approvals // _ONE_OPEN_OF if args.open is None else args.open
    office = Office(args.seed, clock.now_ms(), args.days, args.approvals, still_open)
    switches = Switches(calls_per_month=args.quota, calls_per_second=args.qps)
    return DingTalk(clock, args.seed, office, switches)
