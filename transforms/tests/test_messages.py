"""The wire: order, untouched bytes, every kind of message, and input that is none."""

from __future__ import annotations

import contextlib
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from map_explode.messages import LineReader, LineWriter
from singer_sdk.exceptions import FatalSyncError, RecordsWithoutSchemaException
from singer_sdk.singerlib.exceptions import InvalidInputLine

if TYPE_CHECKING:
    from tests.conftest import Runner

COLUMNS = {
    "id": {"type": "integer"},
    "xs": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}},
}
EXPLODE = {"explode": {"t": {"path": "xs"}}}


def test_messages_stay_in_order_and_no_state_overtakes_its_records(run: Runner) -> None:
    state: list[dict[str, Any]] = [{"type": "STATE", "value": {"bookmarks": {"t": n}}} for n in range(3)]
    messages = [run.schema("t", COLUMNS, "id"), run.schema("u", {"a": {}})]
    for n in range(3):
        messages += [*run.records("t", {"id": n, "xs": [{"n": 1}, {"n": 2}]}), *run.records("u", {"a": n}), state[n]]
    out = run(EXPLODE, messages)
    assert [(each["type"], each.get("stream")) for each in out[2:]] == [
        ("RECORD", "t"), ("RECORD", "t"), ("RECORD", "u"), ("STATE", None),
    ] * 3  # fmt: skip
    assert [each for each in out if each["type"] == "STATE"] == state


def test_what_is_not_changed_is_passed_on_byte_for_byte(run: Runner) -> None:
    record = (
        b'{"type": "RECORD",  "stream":"u", "record":{"a":1.10,"b":1E+2,"c":"\\u4e2d\\ud83d\\ude00"}, "x-own": [1]}\n'
    )
    batch = (
        b'{"type":"BATCH","stream":"u","encoding":{"format":"jsonl","compression":"gzip"},"manifest":["file:///a"]}\n'
    )
    version = b'{"type":"ACTIVATE_VERSION","stream":"u","version":1}\n'
    state = b'{"value":{"a":1.50},"type":"STATE"}\n'
    schema = run.lines([run.schema("u", {"a": {"type": "number", "multipleOf": 0.01}})])
    source = schema.replace(b',"key', b' ,"x-own":[1], "key') + record + batch + version + state
    assert run.output(EXPLODE, source) == source


@pytest.mark.parametrize("record", [b'{"a":NaN}', b'{"a":"\\ud83d"}', b'{"a":123456789012345678901234567890}'])
def test_what_python_writes_and_json_forbids_is_no_reason_to_stop(run: Runner, record: bytes) -> None:
    line = b'{"type":"RECORD","stream":"u","record":' + record + b"}\n"
    schema = run.lines([run.schema("u", {"a": {}})])
    assert run.output({}, schema + line).splitlines()[1] == line.strip()
    mapped = run.output({"stream_maps": {"u": {"b": "'x'"}}}, schema + line).splitlines()[1]
    values = json.loads(mapped)["record"]
    assert values["b"] == "x"
    assert values["a"] == (None if b"NaN" in record else json.loads(record)["a"])


def test_version_and_time_of_a_record_go_with_all_its_rows(run: Runner) -> None:
    (record,) = run.records("t", {"id": 1, "xs": [{"n": 1}, {"n": 2}]})
    record |= {"version": 7, "time_extracted": "2026-01-31T20:00:00.5+08:00"}
    out = run(EXPLODE, [run.schema("t", COLUMNS, "id"), record])
    assert [(each["version"], each["time_extracted"]) for each in out[1:]] == [(7, "2026-01-31T20:00:00.5+08:00")] * 2


def test_a_version_is_activated_for_every_stream_made_of_it(run: Runner) -> None:
    config = {
        "explode": {"t": [{"path": "xs", "alias": "rows"}]},
        "stream_maps": {"copy": {"__source__": "t"}, "rows": {"__alias__": "lines"}},
    }
    out = run(config, [run.schema("t", COLUMNS, "id"), {"type": "ACTIVATE_VERSION", "stream": "t", "version": 7}])
    activated = [(each["stream"], each["version"]) for each in out if each["type"] == "ACTIVATE_VERSION"]
    assert activated == [("t", 7), ("copy", 7), ("lines", 7)]


def test_batch_files_of_a_changed_stream_are_refused(run: Runner) -> None:
    batch = {"type": "BATCH", "stream": "t", "encoding": {"format": "jsonl"}, "manifest": ["file:///a"]}
    with pytest.raises(FatalSyncError, match=r"stream 't' comes in BATCH files, .* take `batch_config` out"):
        run(EXPLODE, [run.schema("t", COLUMNS, "id"), batch])


def test_a_dropped_stream_may_hold_anything(run: Runner) -> None:
    batch = {"type": "BATCH", "stream": "t", "manifest": []}
    messages = [run.schema("t", COLUMNS), batch, *run.records("t", {"id": "no integer"})]
    assert run({"stream_maps": {"t": "__NULL__"}}, messages) == []


def test_a_schema_that_changes_changes_the_rows(run: Runner) -> None:
    xs = {"type": "array", "items": {"type": "object", "properties": {"n": {}, "m": {"type": "string"}}}}
    out = run(
        EXPLODE,
        [
            run.schema("t", COLUMNS, "id"),
            *run.records("t", {"id": 1, "xs": [{"n": 1}]}),
            run.schema("t", {**COLUMNS, "xs": xs}, "id"),
            *run.records("t", {"id": 1, "xs": [{"n": 1, "m": "a"}]}),
        ],
    ).check()
    assert [message["type"] for message in out] == ["SCHEMA", "RECORD", "SCHEMA", "RECORD"]
    assert "xs_m" in out.columns("t")


def test_a_schema_that_is_repeated_is_passed_on_and_told_of_once(run: Runner, caplog: pytest.LogCaptureFixture) -> None:
    schema = run.schema("t", {"id": {"type": "integer"}, "xs": {"type": "array"}}, "id")
    out = run(
        EXPLODE, [schema, *run.records("t", {"id": 1, "xs": [1]}), schema, *run.records("t", {"id": 2, "xs": [2]})]
    )
    assert [message["type"] for message in out.check()] == ["SCHEMA", "RECORD", "SCHEMA", "RECORD"]
    assert out[0] == out[2]
    assert caplog.text.count("does not describe the elements") == 1


def test_a_record_before_its_schema_is_refused(run: Runner) -> None:
    with pytest.raises(RecordsWithoutSchemaException, match="input line 1: stream 't' has no SCHEMA"):
        run(EXPLODE, run.records("t", {"id": 1}))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"type":"RECORD","stream":"t","record":{"name":"secret"', "no valid JSON"),
        (b'secret"', "no valid JSON"),
        (b'["secret"]', "has no 'type'"),
        (b'{"name":"secret"}', "has no 'type'"),
        (b'{"type":"SECRET","name":"secret"}', "'SECRET' is unknown"),
        (b"\xff\xfe", "no valid JSON"),
        (b'{"type":"RECORD","stream":"t"}', "RECORD message has no valid 'record'"),
        (b'{"type":"RECORD","stream":"t","record":["secret"]}', "RECORD message has no valid 'record'"),
        (b'{"type":"RECORD","record":{"id":"secret"}}', "RECORD message has no valid 'stream'"),
        (b'{"type":"SCHEMA","stream":"t"}', "SCHEMA message has no valid 'schema'"),
        (b'{"type":"SCHEMA","stream":"t","schema":{},"key_properties":"id"}', "has no valid 'key_properties'"),
        (b'{"type":"SCHEMA","schema":{}}', "SCHEMA message has no valid 'stream'"),
        (
            b'{"type":"SCHEMA","stream":"t","schema":{"properties":{"xs":{"items":{"properties":{"a":{"enum":3}}}}}}}',
            "sense of the schema",
        ),
        (b'{"type":"ACTIVATE_VERSION","stream":"t"}', "ACTIVATE_VERSION message has no valid 'version'"),
    ],
)
def test_a_line_that_is_no_message_is_told_by_its_number_only(run: Runner, line: bytes, reason: str) -> None:
    with pytest.raises(InvalidInputLine) as caught:
        run.output(EXPLODE, run.lines([run.schema("t", COLUMNS, "id")]) + b"\n" + line)
    assert str(caught.value).startswith("input line 3: ")
    assert reason in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_record_nested_too_deeply_is_told(run: Runner) -> None:
    """How deep that is depends on the version of Python."""
    line = b'{"type":"RECORD","stream":"t","record":{"id":1,"a":' + b"[" * 3000 + b"]" * 3000 + b"}}"
    source = run.lines([run.schema("t", COLUMNS, "id")]) + line
    with contextlib.suppress(InvalidInputLine):
        run.output(EXPLODE, source)


@given(texts=st.lists(st.text(max_size=40)), size=st.integers(1, 50))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_lines_arrive_whole_however_the_pipe_cuts_them(
    capsysbinary: pytest.CaptureFixture[bytes], texts: list[str], size: int
) -> None:
    class Pipe(io.BytesIO):
        """Gives a few bytes at a time."""

        def read1(self, _: int | None = -1, /) -> bytes:
            return self.read(size)

    lines = [json.dumps({"type": "STATE", "value": text}).encode() for text in texts]
    capsysbinary.readouterr()
    reader = LineReader()
    reader.connect(LineWriter())
    counts = reader.process_lines(Pipe(b"\n".join(lines)), {})
    assert capsysbinary.readouterr().out.splitlines() == lines
    assert counts["STATE"] == len(lines)
