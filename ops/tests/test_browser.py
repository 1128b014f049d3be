"""The page in a real browser: readable on a phone and on a desktop, without a single error in the console."""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from ops.tests.life import BEIJING
from ops.tests.test_page import serving

if TYPE_CHECKING:
    from pathlib import Path

    from ops.tests.life import Life

NOW = datetime.now(BEIJING)
webdriver = pytest.importorskip("selenium.webdriver")
pytestmark = pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("chromedriver")),
    reason="chromium and chromium-driver are not installed",
)


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1440])
def test_the_first_screen_fits_and_is_drawn_without_an_error(life: Life, tmp_path: Path, width: int) -> None:
    for hours in range(72, 0, -2):
        life.good_run(NOW - timedelta(hours=hours), rows=400 + hours)
    run_id = life.failed_run(NOW - timedelta(minutes=9), "会话已过期（code 25）：请重新授权\n" + "x" * 500)
    life.window(run_id, NOW, NOW - timedelta(hours=3), NOW, verified=False, repeats=3)
    life.check(NOW)
    rows = [
        {"day": f"2026-11-{day:02}", "source_total": 9, "table_rows": 9 - day % 2, "missing": day % 2}
        for day in range(1, 29)
    ]
    life.facts.execute(
        "INSERT INTO check_results VALUES ('complete-life', ?, 'critical', 0, 'failing', 14, 28, ?, NULL, 0)",
        (json.dumps({"zh": "逐日核对", "en": "by day"}), json.dumps(rows)),
    )
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
    with serving(life) as url:
        browser = webdriver.Chrome(options=options, service=service)
        try:
            size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            browser.get(url)
            assert "数字暂不可信" in browser.find_element("id", "verdict").text
            assert "tap-life → target-life" in browser.find_element("id", "pipelines").text
            # Nothing makes the page itself scroll sideways; wide tables scroll in their own frame.
            assert browser.execute_script("return document.documentElement.scrollWidth") <= width
            verdict, pipelines = (browser.find_element("id", name).rect for name in ("verdict", "pipelines"))
            assert verdict["y"] < pipelines["y"] < 900, "the pipelines begin on the first screen"
            assert len(browser.find_elements("css selector", "svg.bars rect.rows_read")) >= 3
            assert len(browser.find_elements("css selector", "svg.flow rect")) == 3
            assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
            assert browser.save_screenshot(str(tmp_path / f"{width}.png"))
            browser.find_element("css selector", "td.name a").click()
            assert "/rows/runs" in browser.current_url
            for path in (f"/run/{run_id}", "/check/complete-life", "/rows/problems", "/rows/windows?lang=en"):
                browser.get(url + path)
                assert browser.find_elements("css selector", "table.facts"), path
                assert browser.execute_script("return document.documentElement.scrollWidth") <= width, path
        finally:
            browser.quit()
