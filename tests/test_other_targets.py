"""The tap's output loads with public targets that know nothing of it."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests import tickets
from tests.project import BIN, ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sandbox.client import KuaimaiSandbox

pytestmark = pytest.mark.slow

ENVIRONMENTS = ROOT / ".cache" / "other-targets"


def public_target(package: str, program: str) -> Path:
    """Return a target from PyPI, installed once into an environment of its own."""
    home = ENVIRONMENTS / program
    if not (home / "bin" / program).exists():
        uv = shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
        subprocess.run([uv, "venv", "--quiet", "--clear", str(home)], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", str(home), package], check=True)
    return home / "bin" / program


def load(kuaimai: KuaimaiSandbox, target: Path, config: dict[str, object], directory: Path) -> None:
    """Pipe the tap's tickets and items into a target."""
    (directory / "config.json").write_text(json.dumps(config))
    environment = {**os.environ, **tickets.settings(kuaimai)}
    tap = [str(BIN / "tap-kuaimai"), "--config=ENV"]
    discovered = subprocess.run([*tap, "--discover"], env=environment, check=True, capture_output=True, text=True)
    catalog = json.loads(discovered.stdout)
    catalog["streams"] = [
        stream for stream in catalog["streams"] if stream["tap_stream_id"] in {tickets.TICKETS, tickets.ITEMS}
    ]
    (directory / "catalog.json").write_text(json.dumps(catalog))
    messages = subprocess.run(
        [*tap, f"--catalog={directory / 'catalog.json'}"], env=environment, check=True, stdout=subprocess.PIPE
    )
    subprocess.run(
        [str(target), "--config", str(directory / "config.json")],
        cwd=directory,
        input=messages.stdout,
        check=True,
        stdout=subprocess.PIPE,
    )


def test_target_jsonl_writes_every_ticket(kuaimai: KuaimaiSandbox, tmp_path: Path) -> None:
    target = public_target("target-jsonl==0.1.4", "target-jsonl")
    load(kuaimai, target, {"destination_path": str(tmp_path), "do_timestamp_file": False}, tmp_path)
    lines = (tmp_path / f"{tickets.TICKETS}.jsonl").read_text().splitlines()
    assert {json.loads(line)["id"] for line in lines} == set(tickets.truth(kuaimai))


def test_target_csv_writes_every_ticket_and_every_item(kuaimai: KuaimaiSandbox, tmp_path: Path) -> None:
    target = public_target("meltanolabs-target-csv==0.5.0", "target-csv")
    load(kuaimai, target, {"output_path": str(tmp_path)}, tmp_path)
    source = tickets.truth(kuaimai)
    with (tmp_path / f"{tickets.TICKETS}.csv").open(newline="") as file:
        assert {int(row["id"]) for row in csv.DictReader(file)} == set(source)
    with (tmp_path / f"{tickets.ITEMS}.csv").open(newline="") as file:
        found = {(int(row["aftersale_id"]), int(row["id"])) for row in csv.DictReader(file)}
    assert found == {(key, item["id"]) for key, ticket in source.items() for item in ticket.get("items") or ()}
