"""The program `map-explode`: what an operator sees."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, TypeAlias

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Runner

    Program: TypeAlias = "Callable[[dict[str, object], bytes], subprocess.CompletedProcess[bytes]]"


def test_it_reads_standard_input_and_writes_standard_output(run: Runner, program: Program) -> None:
    xs = {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}}
    source = run.lines(
        [run.schema("t", {"id": {"type": "integer"}, "xs": xs}, "id"), *run.records("t", {"id": 1, "xs": [{"n": 2}]})]
    )
    finished = program({"explode": {"t": {"path": "xs"}}}, source)
    assert finished.returncode == 0, finished.stderr.decode()
    assert run.parsed(finished.stdout).check().rows("t") == [{"id": 1, "xs_n": 2, "xs_row_number": 1}]


@pytest.mark.parametrize(
    ("config", "line"),
    [
        pytest.param({"stream_maps": {"t": {"n": "int(name)"}}}, b"", id="expression"),
        pytest.param({}, b'{"type":"RECORD","stream":"t","record":{"name":"13800138000"', id="cut off"),
        pytest.param({"explode": {"t": {}}}, b"", id="setting"),
    ],
)
def test_a_failure_is_told_without_a_traceback_or_a_value(
    run: Runner, program: Program, config: dict[str, object], line: bytes
) -> None:
    messages = [run.schema("t", {"name": {"type": "string"}}), *run.records("t", {"name": "13800138000x"})]
    finished = program(config, run.lines(messages) + line)
    errors = finished.stderr.decode()
    assert finished.returncode == 1
    assert "ERROR" in errors
    assert "Traceback" not in errors
    assert "13800138000" not in errors


def test_rows_are_written_before_the_input_ends() -> None:
    process = subprocess.Popen([sys.executable, "-m", "map_explode"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    for n in range(3):
        line = json.dumps({"type": "STATE", "value": {"n": n}}).encode() + b"\n"
        process.stdin.write(line)
        process.stdin.flush()
        assert process.stdout.readline() == line
    process.stdin.close()
    assert process.wait() == 0
    process.stdout.close()


def test_a_mapper_that_is_stopped_has_not_succeeded() -> None:
    process = subprocess.Popen([sys.executable, "-m", "map_explode"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b'{"type":"STATE","value":1}\n')
    process.stdin.flush()
    assert process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 128 + signal.SIGTERM
    process.stdin.close()
    process.stdout.close()


def test_a_target_that_ends_is_told(run: Runner) -> None:
    read, write = os.pipe()
    os.close(read)
    state = {"type": "STATE", "value": {}}
    finished = subprocess.run(
        [sys.executable, "-m", "map_explode"],
        input=run.lines([state]),
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write)
    assert finished.returncode == 1
    assert "The program that reads our output has ended" in finished.stderr.decode()
    assert "Traceback" not in finished.stderr.decode()


def test_about_lists_the_settings() -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "map_explode", "--about", "--format=json"], capture_output=True, check=True
    )
    about = json.loads(finished.stdout)
    assert about["name"] == "map-explode"
    assert {"explode", "on_error", "stream_maps", "flattening_enabled"} <= set(about["settings"]["properties"])


@pytest.mark.parametrize("content", [None, "{bad json"])
def test_a_settings_file_that_cannot_be_read_is_one_line(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "config.json"
    if content is not None:
        path.write_text(content)
    finished = subprocess.run(
        [sys.executable, "-m", "map_explode", "--config", path], input=b"", capture_output=True, check=False
    )
    assert finished.returncode == 1
    assert "The file given with --config cannot be read" in finished.stderr.decode()
    assert "Traceback" not in finished.stderr.decode()
