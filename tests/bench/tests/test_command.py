"""The whole program, with few rows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TARGET = Path(sys.executable).parent / "target-mysql-replace"


@pytest.mark.slow
def test_the_target_and_the_servers_client_load_the_same_tickets() -> None:
    options = ["--rows=3000", "--rounds=1", "--only=load_data", f"--target={TARGET}"]
    command = [sys.executable, "-m", "tests.bench", "loads", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    *_, target, limit = done.stdout.strip().splitlines()
    assert target.startswith("| **target-mysql-replace** | 3,000 |")
    assert target.endswith("| 1 | equal |")
    assert limit.endswith("| equal |")


def test_a_target_that_is_not_there_is_one_line() -> None:
    command = [sys.executable, "-m", "tests.bench", "--target=/nowhere/target"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stderr == "/nowhere/target is missing: run `make setup`, or name another with --target\n"


def test_a_part_that_does_not_exist_is_told_with_those_that_do() -> None:
    command = [sys.executable, "-m", "tests.bench", "speed"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert done.stderr.endswith("there is no part speed; there are loads, memory, transforms\n")
