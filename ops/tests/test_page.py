"""The page: what it says, what it refuses, and that it stays quick over a million facts."""

from __future__ import annotations

import json
import re
import socket
import sqlite3
import threading
import time
from contextlib import contextmanager
from datetime import datetime, timedelta
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import pytest
import requests
from meltano_ops import overview, problems
from meltano_ops.page import app as page_app
from meltano_ops.page.server import page_server
from meltano_ops.settings import OpsError, load_settings
from requests.auth import HTTPBasicAuth

from ops.tests.life import BEIJING, PIPELINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ops.tests.life import Life

NOW = datetime.now(BEIJING).replace(microsecond=0)


@contextmanager
def serving(life: Life) -> Iterator[str]:
    """Serve a project's page on loopback and yield its address."""
    server = page_server(life.settings, "127.0.0.1", 0)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def _text(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def test_a_healthy_pipeline_reads_as_one_plain_sentence(life: Life) -> None:
    life.good_run(NOW - timedelta(minutes=10))
    life.check(NOW)
    with serving(life) as url:
        text = _text(requests.get(url, timeout=30).text)
    covered = (NOW - timedelta(minutes=12)).strftime("%Y-%m-%d %H:%M")
    assert f"覆盖到 {covered}，0 个未核对窗口，0 条隔离行" in text
    assert "数字可信" in text
    assert "50 / 50" in text


def test_english_is_one_click_away_and_stays(life: Life) -> None:
    life.good_run(NOW)
    life.check(NOW)
    with serving(life) as url, requests.Session() as browser:
        assert "English" in browser.get(url, timeout=30).text
        assert "The numbers can be trusted" in browser.get(f"{url}/?lang=en", timeout=30).text
        assert "The numbers can be trusted" in browser.get(url, timeout=30).text


def test_troubles_are_on_the_first_screen_in_plain_words_with_what_to_do(life: Life) -> None:
    life.failed_run(NOW - timedelta(minutes=5), "会话已过期（code 25）：请重新授权")
    life.check(NOW)
    with serving(life) as url:
        text = _text(requests.get(url, timeout=30).text)
    assert "数字暂不可信" in text
    assert "tap-life → target-life 连续失败 1 次：授权会话已失效。 会话已过期（code 25）：请重新授权" in text
    assert PIPELINE in text
    assert "下次运行从书签继续" in text
    assert "tap-life: 会话已过期（code 25）：请重新授权" in text, "the error in full"


def test_checks_that_have_stopped_are_not_taken_for_good_news(life: Life) -> None:
    life.good_run(NOW - timedelta(hours=2))
    life.check(NOW - timedelta(hours=1))
    with serving(life) as url:
        assert "检查已停止" in requests.get(url, timeout=30).text


def test_every_number_leads_to_the_rows_behind_it(life: Life) -> None:
    run_id = life.good_run(NOW - timedelta(hours=1))
    life.window(run_id, NOW, NOW - timedelta(hours=5), NOW, repeats=2)
    life.metric(run_id, NOW, "quarantined", 1, plugin="target-life", reason="too long")
    life.failed_run(NOW, "boom <script>alert(1)</script>")
    life.check(NOW)
    with serving(life) as url:
        home = requests.get(url, timeout=30).text
        assert "<script" not in home
        links = {unescape(link) for link in re.findall(r'href="([^"]+)"', home) if link.startswith("/")}
        assert len(links) > 15
        for link in links:
            answer = requests.get(urljoin(url, link), timeout=30)
            assert answer.status_code == 200, link
        rows = requests.get(f"{url}/rows/windows", params={"state": "repeated"}, timeout=30).text
        assert "tickets" in rows


def test_completeness_by_day_leads_to_its_rows_whatever_a_check_returns(life: Life) -> None:
    # A warehouse gives its times as text; the page of every shipped completeness check failed on that.
    days: list[dict[str, object]] = [
        {"day": f"2026-10-{day:02}", "source_total": 9, "table_rows": 9, "missing": 0} for day in range(1, 32)
    ]
    days += [{"day": f"2026-09-{day:02}", "source_total": 9, "table_rows": 8, "missing": 1} for day in (1, 2)]
    odd: list[dict[str, object]] = [
        {"total": None, "counted_at": "2026-11-22 04:52:00"},
        {"day": None, "missing": "?", "pipeline": 5},
    ]
    life.check(NOW)
    titles = json.dumps({"zh": "逐日核对", "en": "by day"})
    for name, found in (("complete-days", days), ("complete-odd", odd)):
        rows = json.dumps([{"counted_at": "2026-11-22 04:52:00", **row} for row in found])
        life.facts.execute(
            "INSERT INTO check_results VALUES (?, ?, 'critical', 0, 'failing', 2, 9, ?, NULL, 0)", (name, titles, rows)
        )
    with serving(life) as url:
        home = _text(requests.get(url, timeout=30).text)
        assert "2 天对不上，31 天一致" in home
        assert "09-01 8 / 9" in home, "a day that differs is shown however old"
        for name in ("complete-days", "complete-odd"):
            answer = requests.get(f"{url}/check/{name}", timeout=30)
            assert answer.status_code == 200
            assert "2026-11-22 04:52:00" in answer.text
        assert requests.get(f"{url}/check/none", timeout=30).status_code == 404


def test_nothing_comes_from_outside_and_no_script_runs(life: Life) -> None:
    life.check(NOW)
    with serving(life) as url:
        answer = requests.get(url, timeout=30)
        assert re.findall(r'(?:src|href)="(?!/|#|\?|data:,)[^"]*"', answer.text) == []
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert requests.get(f"{url}/style.css", timeout=30).headers["Content-Type"].startswith("text/css")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_the_page_answers_nothing_that_writes(life: Life, method: str) -> None:
    life.check(NOW)
    with serving(life) as url:
        assert requests.request(method, url, timeout=30).status_code == 405
        connection = page_app.Page(life.settings)._open()
        with connection as facts, pytest.raises(sqlite3.OperationalError, match="readonly"):
            facts.execute("DELETE FROM runs")


@pytest.mark.parametrize(
    "query", ["page=-1", "page=x", "page=99999999", "day=x", "state='", "pipeline=' OR 1=1 --", "foo=1"]
)
def test_odd_queries_are_answered_and_find_nothing_odd(life: Life, query: str) -> None:
    life.good_run(NOW)
    life.check(NOW)
    with serving(life) as url:
        assert requests.get(f"{url}/rows/runs?{query}", timeout=30).status_code == 200
        assert requests.get(f"{url}/rows/sqlite_master", timeout=30).status_code == 404
        assert requests.get(f"{url}/run/nothing", timeout=30).status_code == 404


def test_bound_elsewhere_it_needs_a_password(make_life: Callable[..., Life]) -> None:
    life = make_life()
    everywhere = "0.0.0.0"  # noqa: S104 - what is refused here
    with pytest.raises(OpsError, match="MELTANO_OPS_PASSWORD"):
        page_server(life.settings, everywhere, 0)
    page_server(load_settings(life.root, {"MELTANO_OPS_PASSWORD": "x"}), everywhere, 0)


def test_with_a_password_nobody_gets_in_without_it(make_life: Callable[..., Life]) -> None:
    life = make_life(MELTANO_OPS_PASSWORD="密码 pass:word")
    life.check(NOW)
    with serving(life) as url:
        for path in ("/", "/rows/runs", "/style.css"):
            assert requests.get(url + path, timeout=30).status_code == 401
        assert requests.get(url, auth=("ops", "wrong"), timeout=30).status_code == 401
        assert requests.get(url, headers={"Authorization": "Basic %%%"}, timeout=30).status_code == 401
        right = requests.get(url, auth=HTTPBasicAuth(b"ops", "密码 pass:word".encode()), timeout=30)
        assert right.status_code == 200


def test_a_foreign_name_that_points_here_is_not_answered(life: Life) -> None:
    life.check(NOW)
    with serving(life) as url:
        assert requests.get(url, headers={"Host": "evil.example"}, timeout=30).status_code == 400


def test_a_broken_project_file_is_said_on_the_page(life: Life) -> None:
    life.check(NOW)
    (life.root / "meltano.yml").write_text("jobs: [", encoding="utf-8")
    with serving(life) as url:
        answer = requests.get(url, timeout=30)
    assert answer.status_code == 503
    assert "meltano.yml" in answer.text


def test_no_query_of_the_first_screen_reads_all_windows_or_metrics(life: Life) -> None:
    """A million facts must not be walked through: every access to a large table goes through an index."""
    life.good_run(NOW)
    life.check(NOW)
    statements: list[str] = []
    life.facts.set_trace_callback(statements.append)
    overview.pipelines(life.facts, life.settings.timezone, NOW.timestamp())
    overview.days(life.facts, life.settings.timezone, NOW.timestamp())
    checks = overview.check_states(life.facts)
    problems.open_problems(life.facts)
    page_app._repeated(life.facts)
    page_app._quarantine(life.facts, checks)
    page_app._calls(life.facts, NOW)
    page_app._recent_errors(life.facts)
    life.facts.set_trace_callback(None)
    assert len(statements) > 7
    for statement in statements:
        plan = [row["detail"] for row in life.facts.execute(f"EXPLAIN QUERY PLAN {statement}")]
        walked = [step for step in plan if re.match(r"SCAN (windows|metrics)\b(?!.*USING)", step)]
        assert walked == [], statement
