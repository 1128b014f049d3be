"""`python -m meltano_ops` is the same program as `meltano-ops`."""

from __future__ import annotations

from meltano_ops.cli import main

main()
