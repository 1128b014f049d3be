"""How Meltano itself is called."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from meltano_ops.settings import OpsError

if TYPE_CHECKING:
    from meltano_ops.settings import Settings


def meltano_command(settings: Settings) -> list[str]:
    """Return the beginning of a command line that runs Meltano in the project.

    The program beside this Python comes first (one environment for both), then the one on the path, then the link that
    Meltano leaves in `.meltano/run/bin`.

    Raises:
        OpsError: There is none.
    """
    beside = Path(sys.executable).with_name("meltano")
    linked = settings.root / ".meltano" / "run" / "bin"
    program = str(beside) if beside.exists() else shutil.which("meltano", path=settings.variables.get("PATH"))
    if program is None and linked.exists():
        program = str(linked)
    if program is None:
        raise OpsError("Meltano was not found: install it (pip install meltano), or put it on the PATH.")
    return [program, f"--environment={settings.environment}"] if settings.environment else [program]
