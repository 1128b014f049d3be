"""What is wrong is said in one line with what to do; nothing secret is said; the state stays as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.tickets import RUN, STATE_ID

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.project import Project
    from tests.sandbox.client import KuaimaiSandbox

pytestmark = pytest.mark.slow

WRONG_SECRET = "this-secret-is-wrong-1f3c"
WRONG_PASSWORD = "this-password-is-wrong-9a2e"


def wrong_secret(project: Project, _: KuaimaiSandbox) -> None:
    project.settings["TAP_KUAIMAI_APP_SECRET"] = WRONG_SECRET


def expired_session(_: Project, kuaimai: KuaimaiSandbox) -> None:
    kuaimai.expire_session()


def wrong_host(project: Project, _: KuaimaiSandbox) -> None:
    project.settings["TAP_KUAIMAI_API_URL"] = "http://127.0.0.1:9/router"
    project.settings["TAP_KUAIMAI_MAX_RETRIES"] = "1"


def wrong_password(project: Project, _: KuaimaiSandbox) -> None:
    project.settings["TARGET_MYSQL_REPLACE_PASSWORD"] = WRONG_PASSWORD


def table_not_writable(project: Project, _: KuaimaiSandbox) -> None:
    reader = f"reader_{project.database}"
    project.server.execute(f"CREATE USER '{reader}'@'%' IDENTIFIED BY 'read-only-4711'")
    project.server.execute(f"GRANT SELECT ON `{project.database}`.* TO '{reader}'@'%'")
    project.settings |= {"TARGET_MYSQL_REPLACE_USER": reader, "TARGET_MYSQL_REPLACE_PASSWORD": "read-only-4711"}


def refused_date(project: Project, _: KuaimaiSandbox) -> None:
    project.settings["TAP_KUAIMAI_START_DATE"] = "yesterday"


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        pytest.param(wrong_secret, "app_secret", id="wrong secret"),
        pytest.param(expired_session, "session", id="expired session"),
        pytest.param(wrong_host, "api_url", id="wrong host"),
        pytest.param(wrong_password, "password", id="wrong database password"),
        pytest.param(table_not_writable, "Grant it", id="table not writable"),
        pytest.param(refused_date, "start_date", id="bad date"),
    ],
)
def test_run_ends_with_one_clear_line_no_secret_and_the_state_unchanged(
    project: Project,
    kuaimai: KuaimaiSandbox,
    break_it: Callable[[Project, KuaimaiSandbox], Any],
    said: str,
) -> None:
    project.settings["TAP_KUAIMAI_START_DATE"] = f"{kuaimai.now()[:10]}T00:00:00+08:00"
    project.meltano(*RUN)
    before = project.state(STATE_ID)
    assert before
    kuaimai.change(count=10)

    break_it(project, kuaimai)
    finished = project.run("meltano", *RUN)

    assert finished.code != 0
    assert any(said in line for line in finished.output.splitlines()), finished.output
    # Meltano draws a traceback of its own when a target ends early; ours say what is wrong in one line.
    ours = [line for line in finished.output.splitlines() if "] tap-" in line or "] target-" in line]
    assert not any("Traceback" in line for line in ours), finished.output
    secrets = {
        WRONG_SECRET,
        WRONG_PASSWORD,
        kuaimai.app_secret,
        kuaimai.access_token,
        project.server.password,
        "read-only-4711",
    }
    assert [secret for secret in secrets if secret in finished.output] == []
    assert project.state(STATE_ID) == before
