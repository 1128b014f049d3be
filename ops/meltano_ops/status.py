"""The first screen in the terminal."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from meltano_ops import overview
from meltano_ops.problems import open_problems
from meltano_ops.store import local_text
from meltano_ops.texts import Text
from meltano_ops.words import lead, value_word

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

    from meltano_ops.settings import Settings

# Latin words stay whole; a Chinese sentence may be broken anywhere but before its punctuation.
_WORD = re.compile(r"\s*[\x21-\x7e]+[，。；：！？、）”]*|\s*[^\x21-\x7e\s][，。；：！？、）”]*|\s+")


def status_lines(
    connection: sqlite3.Connection, settings: Settings, now: float, language: str = "zh", width: int | None = None
) -> list[str]:
    """Return the state of every pipeline and every open problem as lines of text.

    Args:
        connection: The facts' file.
        settings: The project.
        now: Seconds since 1970.
        language: `zh` or `en`.
        width: Columns of the terminal, to fold long lines; None leaves them whole.
    """
    zone = settings.timezone

    def pick(text: Text) -> str:
        return text.zh if language == "zh" else text.en

    def at(seconds: int | None) -> str:
        return local_text(seconds, zone, "%m-%d %H:%M") or "—"

    lines = [*_verdict(connection, zone, pick), ""]
    pipelines = overview.pipelines(connection, zone, now)
    for pipeline in pipelines:
        state = pick(value_word(pipeline.state)[0]) if pipeline.state else "—"
        lines.append(f"{_mark(pipeline)} {pipeline.name}  {state}")
        lines.append(f"    {pick(pipeline.sentence)}")
        read, loaded = _figure(pipeline.rows_read), _figure(pipeline.rows_loaded)
        lag, last, due = pick(overview.span(pipeline.lag)), at(pipeline.started_at), at(pipeline.next_due_at)
        figures = Text(
            f"上次 {last}  下次 {due}  读 {read}  写 {loaded}  滞后 {lag}",
            f"last {last}  next {due}  read {read}  loaded {loaded}  lag {lag}",
        )
        lines.append(f"    {pick(figures)}")
    if not pipelines:
        lines.append(pick(Text("还没有任何运行记录", "No run has been recorded yet")))
    for problem in open_problems(connection):
        lines.append("")
        first, cause = lead(pick(problem.message))
        lines.append(f"{'!!' if problem.severity == 'critical' else '! '} {first}")
        lines += [f"   {text}" for text in (cause, f"→ {pick(problem.advice)}" if pick(problem.advice) else "") if text]
    return [part for line in lines for part in fold(line, width)]


def fold(line: str, width: int | None) -> list[str]:
    """Fold a line to a terminal's width, between words or Chinese characters, with its own indent.

    Args:
        line: One line of text.
        width: Columns; None leaves the line as it is.
    """
    if width is None or _columns(line) <= width:
        return [line]
    indent = " " * (len(line) - len(line.lstrip()) or 3)
    folded, current = [], ""
    for word in _WORD.findall(line):
        if current.strip() and _columns(current + word.rstrip()) > width:
            folded.append(current.rstrip())
            current = indent + word.lstrip()
        else:
            current += word
    return [*folded, current.rstrip()]


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _verdict(connection: sqlite3.Connection, zone: ZoneInfo, pick: Callable[[Text], str]) -> list[str]:
    """Say first whether the numbers can be trusted, and since when that is known."""
    checked_at, problems = overview.meta(connection, "checked_at"), open_problems(connection)
    if checked_at is None:
        return [pick(Text("还没有做过检查：meltano-ops check", "Not checked yet: meltano-ops check"))]
    count = len(problems)
    if any(problem.severity == "critical" for problem in problems):
        verdict = Text(f"数字暂不可信：{count} 个问题待处理", f"Do not trust the numbers yet: {count} open problem(s)")
    elif problems:
        verdict = Text(f"数字可用，但有 {count} 个提醒", f"Usable, with {count} warning(s)")
    else:
        verdict = Text("数字可信，没有未解决的问题", "The numbers can be trusted, no open problem")
    when = local_text(checked_at, zone)
    return [pick(Text(f"{verdict.zh}（检查于 {when}）", f"{verdict.en} (checked {when})"))]


def _figure(value: int | None) -> str:
    return "—" if value is None else f"{value:,}"


def _mark(pipeline: overview.Pipeline) -> str:
    if pipeline.in_trouble:
        return "✗"
    return "✓" if pipeline.success_at else "·"
