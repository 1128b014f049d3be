"""Run as `python -m tap_kuaimai`."""

from __future__ import annotations

from tap_kuaimai.tap import TapKuaimai

TapKuaimai.cli()
