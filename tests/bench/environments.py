"""Throwaway environments for other people's loaders, made at their first use and kept in ``.cache/bench/``."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from tests.bench.tickets import CACHE

_UV = ".uv/bin/uv"


def environment(name: str, *requirements: str) -> Path:
    """Return the ``bin`` folder of an environment with exactly these packages.

    Args:
        name: of the folder.
        requirements: pinned packages; other pins make another environment.
    """
    digest = hashlib.sha256("\n".join(requirements).encode()).hexdigest()[:8]
    folder = CACHE / f"{name}-{digest}"
    ready = folder / "ready"
    if not ready.exists():
        shutil.rmtree(folder, ignore_errors=True)
        uv = shutil.which("uv") or str(Path(__file__).parents[2] / _UV)
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder], check=True)
        subprocess.run(
            [
                uv,
                "pip",
                "install",
                "--quiet",
                "--compile-bytecode",
                "--python",
                folder / "bin" / "python",
                *requirements,
            ],
            check=True,
        )
        ready.touch()
    return folder / "bin"
