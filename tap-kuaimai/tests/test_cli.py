"""The tap as a program: exit codes, one line of explanation, no secret in any output."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox.kuaimai.session import ACCESS_TOKEN, APP_KEY, APP_SECRET, REFRESH_TOKEN

if TYPE_CHECKING:
    from tests.conftest import Cli, Runner
    from tests.sandbox.client import KuaimaiSandbox

TICKETS = "aftersale_list_query"
WRONG = "this-one-is-wrong-4711"
SECRETS = (APP_KEY, APP_SECRET, ACCESS_TOKEN, REFRESH_TOKEN, WRONG)


@pytest.mark.parametrize(
    ("settings", "options", "topic"),
    [
        pytest.param({}, {}, "OK", id="nothing"),
        pytest.param({"api_url": "http://127.0.0.1:9/router"}, {}, "address", id="address"),
        pytest.param({}, {"skew_seconds": 3600}, "clock", id="clock"),
        pytest.param({"app_key": WRONG}, {}, "key", id="key"),
        pytest.param({"app_secret": WRONG}, {}, "signature", id="signature"),
        pytest.param({"access_token": WRONG}, {}, "session", id="session"),
        pytest.param({}, {"forbidden": {"erp.aftersale.list.query": "27"}}, "permission", id="permission"),
    ],
)
def test_test_says_in_one_line_what_is_wrong(  # noqa: PLR0917 -- pytest passes them by name
    sandbox: KuaimaiSandbox, tap: Runner, cli: Cli, settings: dict[str, Any], options: dict[str, Any], topic: str
) -> None:
    sandbox.set_options(**options)

    finished = cli.run(tap.config(**settings), "--test")

    assert len(finished.stdout.splitlines()) == 1
    assert finished.stdout.startswith(f"{topic}:")
    assert finished.returncode == (0 if topic == "OK" else 1)
    assert not [secret for secret in SECRETS if secret in finished.stdout + finished.stderr]


def test_a_run_with_a_wrong_secret_ends_with_status_1_one_line_and_no_state(
    sandbox: KuaimaiSandbox, tap: Runner, cli: Cli
) -> None:
    finished = cli.run(tap.config(app_secret=WRONG, refresh_token=REFRESH_TOKEN), catalog=tap.catalog(TICKETS))

    errors = [line for line in finished.stderr.splitlines() if "ERROR" in line]
    assert finished.returncode == 1
    assert "Check app_secret" in errors[0]
    assert "Traceback" not in finished.stderr
    assert "replication_key_value" not in finished.stdout
    assert len(sandbox.requests()) == 1
    assert not [secret for secret in SECRETS if secret in finished.stdout + finished.stderr]


def test_a_session_that_dies_in_the_middle_keeps_what_was_proved(
    sandbox: KuaimaiSandbox, tap: Runner, cli: Cli
) -> None:
    sandbox.fault("error", code="invalid_session", at=4, times=None)
    config = tap.config(start_date="2026-03-08", window_minutes=360, max_concurrency=1)

    finished = cli.run(config, catalog=tap.catalog(TICKETS))

    state = json.loads(finished.stdout.splitlines()[-1])["value"]
    assert finished.returncode == 1
    assert "no refresh can revive it" in finished.stderr
    assert state["bookmarks"][TICKETS]["replication_key_value"] == "2026-03-08T18:00:00+08:00"


def test_wrong_settings_end_with_status_1_and_no_traceback(sandbox: KuaimaiSandbox, tap: Runner, cli: Cli) -> None:
    finished = cli.run(tap.config(page_size=500, start_date="soon"))

    assert finished.returncode == 1
    assert "page_size" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert sandbox.requests() == []


def in_environment(config: dict[str, Any], **settings: str) -> dict[str, str]:
    """Settings as environment variables, beside those of this process."""
    texts = {f"TAP_KUAIMAI_{name.upper()}": str(value) for name, value in (config | settings).items()}
    return {**os.environ, **texts}


def test_settings_from_the_environment_are_read_as_what_they_are(tap: Runner) -> None:
    """`2.5` requests a second were refused as being text."""
    environment = in_environment(tap.config(), max_requests_per_second="20.5", request_timeout_seconds="30")
    command = [sys.executable, "-m", "tap_kuaimai", "--config", "ENV", "--test"]

    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)

    assert finished.stdout.startswith("OK")
    assert finished.returncode == 0


def test_a_setting_of_the_environment_that_cannot_be_read_is_told_in_one_line(tap: Runner) -> None:
    """`TAP_KUAIMAI_PAGE_SIZE=many` ended in a traceback."""
    environment = in_environment(tap.config(), page_size="many")
    command = [sys.executable, "-m", "tap_kuaimai", "--config", "ENV"]

    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)

    assert finished.returncode == 1
    assert "'many'" in finished.stderr
    assert "Traceback" not in finished.stderr


def test_a_state_of_another_form_is_told_in_one_line(sandbox: KuaimaiSandbox, tap: Runner, cli: Cli) -> None:
    """A bookmark that was set as bare text ended in a traceback."""
    finished = cli.run(tap.config(), state={"bookmarks": {TICKETS: "2026-03-02"}})

    assert finished.returncode == 1
    assert "state: must look like" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert sandbox.requests() == []


def test_sigterm_ends_the_run_cleanly_with_whole_lines_and_the_state_so_far(
    sandbox: KuaimaiSandbox, tap: Runner, cli: Cli
) -> None:
    sandbox.set_latency(0.1)
    config = tap.config(window_minutes=60, start_date="2026-03-05", max_concurrency=1)
    command = cli.command(config, catalog=tap.catalog(TICKETS))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if '"STATE"' in line:
                break
        process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate(timeout=30)

    messages = [json.loads(line) for line in [*lines, *rest.splitlines()]]
    assert process.returncode == 0
    assert [message for message in messages if message["type"] == "STATE"]
    assert len(sandbox.requests()) < 100
    assert "Traceback" not in errors


def test_a_target_that_dies_is_told_in_one_line(tap: Runner, cli: Cli) -> None:
    command = cli.command(tap.config(page_size=20), catalog=tap.catalog(TICKETS))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read()

    assert process.returncode == 1
    assert "has gone away" in errors
    assert "Traceback" not in errors
    assert "Exception ignored" not in errors
