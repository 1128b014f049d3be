"""What a user sees: one line for a mistake, the right exit code, and never a secret."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest
import requests
import yaml
from singer_sdk.exceptions import ConfigValidationError
from tap_dingtalk_approval.tap import TapDingTalkApproval

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.slow

SECRET = "app-secret-5f3c1a77"


@pytest.fixture
def run(tap_command: Callable[..., Any], tmp_path: Path, office: Any) -> Callable[..., Any]:
    """Run the command line with a configuration."""

    def call(*arguments: str, **overrides: Any) -> Any:
        path = tmp_path / "config.json"
        config = {**office.config, "end_date": office.sandbox.now(), **overrides}
        path.write_text(json.dumps({name: value for name, value in config.items() if value is not ...}))
        return tap_command("--config", str(path), *arguments)

    return call


def errors(finished: Any) -> list[str]:
    return [line for line in finished.stderr.splitlines() if "ERROR" in line]


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"start_date": "2026-09-30", "end_date": "2026-09-01"}, "start_date is not before end_date"),
        ({"start_date": "yesterday"}, "start_date is 'yesterday'"),
        ({"page_size": 50}, "page_size is 50"),
        ({"max_requests_per_second": 0}, "max_requests_per_second is 0"),
        ({"api_version": "v2"}, "'v2'"),
        ({"api_url": "oapi.dingtalk.com"}, "api_url must begin with"),
        ({"processes": []}, "processes"),
        ({"processes": [{"process_code": "PROC-1"}]}, "'name' is a required property"),
        ({"processes": [{"process_code": "PROC-1", "name": "a b"}]}, "the name becomes a table's"),
        ({"processes": [{"process_code": "PROC-1", "name": "api_calls"}]}, "api_calls"),
        ({"processes": [{"process_code": "P", "name": "a"}, {"process_code": "P", "name": "b"}]}, "listed twice"),
        ({"processes": [{"process_code": "P", "name": "a"}, {"process_code": "Q", "name": "a"}]}, "two streams a"),
        (
            {"processes": [{"process_code": "P", "name": "a", "tables": {"tasks": {"label": "x", "fields": {}}}}]},
            "two streams a_tasks",
        ),
        ({"processes": [{"process_code": "P", "name": "a", "fields": {"x": {}}}]}, "either label or id"),
        (
            {"processes": [{"process_code": "P", "name": "a", "fields": {"x": {"label": "y", "type": "money"}}}]},
            "'money'",
        ),
        (
            {"processes": [{"process_code": "P", "name": "a", "fields": {"status": {"label": "y"}}}]},
            "a column of this name",
        ),
        ({"app_secret": 12345678}, "app_secret"),
        ({"app_key": " "}, "app_key is empty"),
    ],
    ids=str,
)
def test_a_wrong_setting_is_refused_at_start_in_one_line(office: Any, overrides: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigValidationError) as error:
        TapDingTalkApproval(config={**office.config, **overrides})
    assert any(says in line for line in error.value.errors), error.value.errors
    assert "12345678" not in str(error.value.errors)
    assert office.calls == 0


def test_a_mistake_ends_the_command_with_a_line_and_status_1(run: Callable[..., Any]) -> None:
    for arguments in ([], ["--discover"], ["--test"]):
        finished = run(*arguments, page_size=50)
        assert finished.returncode == 1
        assert "page_size is 50" in errors(finished)[0]
        assert "Traceback" not in finished.stderr
        assert finished.stdout == ""


def test_a_file_that_cannot_be_read_is_told_without_a_traceback(
    run: Callable[..., Any], tap_command: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "broken.json"
    path.write_text(f'{{"app_secret": "{SECRET}"')
    finished = tap_command("--config", str(path))
    assert finished.returncode != 0
    assert "not a JSON file" in finished.stderr
    assert SECRET not in finished.stderr
    path.write_text('{"bookmarks": [1]}')
    state = run("--state", str(path))
    assert state.returncode == 1
    assert "state: must look like" in errors(state)[0]
    assert "Traceback" not in finished.stderr + state.stderr


def test_settings_come_from_the_environment_too(tap_command: Callable[..., Any], office: Any) -> None:
    values = {**office.config, "end_date": office.sandbox.now()}
    environment = {
        f"TAP_DINGTALK_APPROVAL_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in values.items()
    }
    finished = tap_command("--config", "ENV", env=environment)
    assert finished.returncode == 0, finished.stderr
    assert '"stream":"expense"' in finished.stdout.replace(" ", "")
    broken = tap_command("--config", "ENV", env={**environment, "TAP_DINGTALK_APPROVAL_PROCESSES": "[{"})
    assert broken.returncode == 1
    assert "processes is JSON" in broken.stderr
    assert "Traceback" not in broken.stderr


@pytest.mark.parametrize("api_version", ["topapi", "v1.0"])
def test_no_secret_is_in_any_output_whatever_happens(
    run: Callable[..., Any], office: Any, api_version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAP_DINGTALK_APPROVAL_LOGLEVEL", "DEBUG")
    sandbox = office.sandbox
    for kind in ("reset", "truncated", "html", "bad_token", "address"):
        sandbox.fault(kind, api=None, at=4)
    outputs = [run(api_version=api_version, max_retries=2)]
    sandbox.clear_faults()
    sandbox.fault("reset", times=None)
    outputs.append(run(api_version=api_version, max_retries=0))
    sandbox.clear_faults()
    outputs.append(run(api_version=api_version, app_secret=SECRET))
    tokens = {one for output in outputs for one in _tokens(output.stdout + output.stderr)}
    for output in outputs:
        text = output.stdout + output.stderr
        assert sandbox.app_key not in text
        assert sandbox.app_secret not in text
        assert SECRET not in text
        assert "access_token=" not in text
        assert "Traceback" not in text
    assert tokens == set()


def test_a_token_that_the_platform_repeats_is_masked(run: Callable[..., Any], office: Any) -> None:
    keys = {"appkey": office.sandbox.app_key, "appsecret": office.sandbox.app_secret}
    token = requests.get(f"{office.sandbox.origin}/gettoken", params=keys, timeout=10).json()["access_token"]
    office.sandbox.fault("error", code="990001", text=f"用 {token} 不行", api="/topapi/processinstance/listids")
    finished = run()
    assert finished.returncode == 1
    assert "990001: 用 ****** 不行" in finished.stderr
    assert token not in finished.stdout + finished.stderr


def _tokens(text: str) -> list[str]:
    return [word for word in text.replace('"', " ").split() if word.lower().startswith(("at-", "token-"))]


@pytest.mark.parametrize(
    ("overrides", "fault", "topic"),
    [
        ({}, None, "OK"),
        ({"app_secret": SECRET, "api_version": "v1.0"}, None, "credentials"),
        ({}, {"kind": "denied"}, "permission"),
        ({"processes": [{"process_code": "PROC-NO", "name": "no"}]}, None, "template"),
        ({"api_url": "http://127.0.0.1:{free}"}, None, "address"),
    ],
    ids=str,
)
def test_dash_dash_test_says_in_one_line_what_is_wrong(
    run: Callable[..., Any], office: Any, overrides: dict[str, Any], fault: dict[str, Any] | None, topic: str
) -> None:
    if fault:
        office.sandbox.fault(**fault, api="/topapi/processinstance/listids", times=None)
    if "api_url" in overrides:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            overrides = {"api_url": f"http://127.0.0.1:{free.getsockname()[1]}"}
    finished = run("--test", **overrides)
    lines = finished.stdout.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"{topic}: ")
    assert finished.returncode == (0 if topic == "OK" else 1)
    assert "Traceback" not in finished.stderr


@pytest.mark.parametrize(("allowed", "api_version"), [(True, "topapi"), (False, "v1.0")])
def test_describe_prints_an_entry_that_reads_the_template(
    run: Callable[..., Any], office: Any, *, allowed: bool, api_version: str
) -> None:
    if not allowed:
        office.sandbox.set_options(denied=["/v1.0/workflow/forms/schemas/processCodes"])
    finished = run("--describe", office.sandbox.expense, processes=..., api_version=api_version)
    assert finished.returncode == 0, finished.stderr
    entry = yaml.safe_load(finished.stdout)["processes"]
    assert entry[0]["fields"]["金额_元"] == {"label": "金额（元）", "type": "number"}
    assert entry[0]["tables"]["明细"]["fields"]["事项"] == {"label": "事项"}
    read = office.run(processes=entry, api_version=api_version)
    assert not read.failed
    assert any(row["金额_元"] is not None for row in next(iter(read.records.values())))


def test_describe_tells_components_of_one_label_apart_by_id(run: Callable[..., Any], office: Any) -> None:
    finished = run("--describe", office.sandbox.refund)
    fields = yaml.safe_load(finished.stdout)["processes"][0]["fields"]
    assert fields["金额"] == {"id": "MoneyField_1RF0ASKED", "type": "number"}
    assert fields["金额_2"] == {"id": "MoneyField_1RF0GRANTED", "type": "number"}


def test_about_lists_every_setting_that_the_readme_describes(
    tap_command: Callable[..., Any], request: pytest.FixtureRequest
) -> None:
    about = json.loads(tap_command("--about", "--format=json").stdout)
    readme = (request.path.parents[1] / "README.md").read_text()
    for name in about["settings"]["properties"]:
        if not name.startswith(("stream_map", "flattening", "faker")):
            assert f"`{name}`" in readme, name
