"""The documents say what is: settings, commands, links, promises."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts import settings

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "*/README.md", "tests/sandbox/README.md")
    for path in ROOT.glob(pattern)
    if not path.is_relative_to(ROOT / ".venv")
)


def code_blocks(path: Path) -> list[str]:
    return re.findall(r"^```\w*\n.*?^```$", path.read_text(), re.MULTILINE | re.DOTALL)


def test_settings_in_readmes_meltano_yml_and_env_example_equal_the_plugins_schemas() -> None:
    stale = [str(path.relative_to(ROOT)) for path, text in settings.written().items() if path.read_text() != text]
    assert stale == []


@pytest.mark.parametrize("plugin", settings.PLUGINS)
def test_a_package_s_own_readme_names_all_its_settings(plugin: str) -> None:
    text = (ROOT / plugin / "README.md").read_text()
    assert [one.name for one in settings.settings_of(plugin) if f"`{one.name}`" not in text] == []


def test_both_languages_of_the_readme_have_the_same_commands() -> None:
    assert code_blocks(ROOT / "README.md") == code_blocks(ROOT / "README.zh-CN.md")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", document.read_text())
    missing = [target for target in targets if not (document.parent / target).exists()]
    assert missing == []


def test_every_promise_names_a_test_that_exists() -> None:
    text = (ROOT / "docs" / "promises.md").read_text()
    named = re.findall(r"`([\w/.-]+\.py)::(\w+)`", text)
    assert len(named) > 20
    missing = [
        f"{file}::{test}"
        for file, test in named
        if not (ROOT / file).exists() or f"def {test}(" not in (ROOT / file).read_text()
    ]
    assert missing == []
    rows = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line and "| test" not in line]
    assert [row for row in rows if "::" not in row] == []
