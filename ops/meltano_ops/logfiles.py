"""Where the log files are, and what is new in them.

Meltano writes JSON lines where a `logging.yaml` in the project says so
(https://docs.meltano.com/reference/logging/); without one there is only a text log per run, in the user's log folder.
A file is known by its inode, so one that was rotated is read to its end under its new name.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import platformdirs
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROTATE_BYTES = 20 * 1024 * 1024
ROTATED_KEPT = 5
_HEAD_BYTES = 256


@dataclass(frozen=True)
class LogFile:
    """One file on disk. `rotate` says that nobody else rotates it (it is written through `WatchedFileHandler`)."""

    path: Path
    device: int
    inode: int
    size: int
    modified: float
    head: str
    rotate: bool


def configured_logs(root: Path, named: str | None = None) -> list[tuple[Path, bool]]:
    """Return the JSON log files of the project's logging configuration, and whether each must be rotated here.

    Args:
        root: The project.
        named: Meltano's setting `cli.log_config`, where it is not the default `logging.yaml`.
    """
    found: list[tuple[Path, bool]] = []
    for name in (named,) if named else ("logging.yaml", "logging.yml"):
        path = root / name
        if not path.is_file():
            continue
        try:
            document = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError):
            # Meltano itself complains about it, and louder.
            continue
        if isinstance(document, dict):
            found += _json_handlers(root, document)
        break
    return found


def _json_handlers(root: Path, document: dict[str, Any]) -> Iterator[tuple[Path, bool]]:
    def entries(name: str) -> dict[str, dict[str, Any]]:
        part = document.get(name)
        return {key: entry for key, entry in part.items() if isinstance(entry, dict)} if isinstance(part, dict) else {}

    formatters = {
        key for key, entry in entries("formatters").items() if str(entry.get("()")).endswith("json_formatter")
    }
    for handler in entries("handlers").values():
        if isinstance(handler.get("filename"), str) and handler.get("formatter") in formatters:
            yield root / handler["filename"], str(handler.get("class", "")).endswith("WatchedFileHandler")


def log_files(root: Path, named: str | None = None) -> list[LogFile]:
    """Return the project's JSON log files, rotated ones first, as they are on disk now."""
    files = []
    for path, rotate in configured_logs(root, named):
        rotated = [found for old in path.parent.glob(f"{path.name}.*") if (found := _look(old, rotate=False))]
        files += sorted(rotated, key=lambda old: old.modified)
        if current := _look(path, rotate=rotate):
            files.append(current)
    return files


def _look(path: Path, *, rotate: bool) -> LogFile | None:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            first = file.readline(_HEAD_BYTES)
    except OSError:
        return None
    # Until the first line is whole its digest would change.
    head = hashlib.sha256(first).hexdigest()[:16] if first.endswith(b"\n") or len(first) == _HEAD_BYTES else ""
    return LogFile(path, status.st_dev, status.st_ino, status.st_size, status.st_mtime, head, rotate)


def new_lines(file: LogFile, position: int, limit: int) -> tuple[list[bytes], int]:
    """Return up to `limit` whole lines from `position` on, and where the next one begins.

    A last line without its line end is still being written and is left for the next time; so is everything when the
    name belongs to another file by now.
    """
    lines: list[bytes] = []
    try:
        source = file.path.open("rb")
    except OSError:
        return lines, position
    with source:
        if os.fstat(source.fileno()).st_ino != file.inode:
            return lines, position
        source.seek(position)
        for line in source:
            if not line.endswith(b"\n"):
                break
            lines.append(line)
            position += len(line)
            if len(lines) >= limit:
                break
    return lines, position


def rotate(path: Path) -> None:
    """Rename a log that has grown large; its writers notice (`WatchedFileHandler`) and begin a new one.

    Only one process may do this at a time: the caller holds the write lock of the facts' file.
    """
    path.with_name(f"{path.name}.{ROTATED_KEPT}").unlink(missing_ok=True)
    for number in range(ROTATED_KEPT - 1, 0, -1):
        old = path.with_name(f"{path.name}.{number}")
        if old.exists():
            old.rename(path.with_name(f"{path.name}.{number + 1}"))
    path.rename(path.with_name(f"{path.name}.1"))


def elt_log(run_id: str) -> Path | None:
    """Return Meltano's own text log of a run, or None. The folder is shared by all projects of the user."""
    folder = platformdirs.user_log_path("meltano") / "elt"
    return next(folder.glob(f"*/{UUID(run_id)}/elt.log"), None)
