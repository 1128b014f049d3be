"""The first screen in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meltano_ops import overview
from meltano_ops.problems import open_problems
from meltano_ops.store import local_text

if TYPE_CHECKING:
    import sqlite3

    from meltano_ops.settings import Settings


def status_lines(connection: sqlite3.Connection, settings: Settings, now: float, language: str = "zh") -> list[str]:
    """Return the state of every pipeline and every open problem as lines of text.

    Args:
        connection: The facts' file.
        settings: The project.
        now: Seconds since 1970.
        language: `zh` or `en`.
    """
    chinese = language == "zh"
    zone = settings.timezone
    lines = []
    for pipeline in overview.pipelines(connection, zone, now):
        state = pipeline.state or "—"
        lines.append(f"{_mark(pipeline)} {pipeline.name}  {state}")
        lines.append(f"    {pipeline.sentence.zh if chinese else pipeline.sentence.en}")
        lag = overview.span(pipeline.lag)
        read = "—" if pipeline.rows_read is None else str(pipeline.rows_read)
        loaded = "—" if pipeline.rows_loaded is None else str(pipeline.rows_loaded)
        last, due = local_text(pipeline.started_at, zone) or "—", local_text(pipeline.next_due_at, zone) or "—"
        lines.append(
            f"    上次 {last}  下次 {due}  读 {read} 行  写 {loaded} 行  滞后 {lag.zh}"
            if chinese
            else f"    last {last}  next {due}  read {read}  loaded {loaded}  lag {lag.en}"
        )
    if not lines:
        lines.append("还没有任何运行记录" if chinese else "No run has been recorded yet")
    problems = open_problems(connection)
    lines.append("")
    lines.append(f"{len(problems)} 个未解决的问题" if chinese else f"{len(problems)} open problem(s)")
    for problem in problems:
        mark = "!!" if problem.severity == "critical" else "! "
        lines.append(f"{mark} {problem.message.zh if chinese else problem.message.en}")
        if advice := (problem.advice.zh if chinese else problem.advice.en):
            lines.append(f"   → {advice}")
    return lines


def _mark(pipeline: overview.Pipeline) -> str:
    if pipeline.failures or pipeline.unresolved_windows or pipeline.quarantined:
        return "✗"
    return "✓" if pipeline.success_at else "·"
