"""What `meltano.yml` says: plugins, jobs, schedules, and the pipelines these make.

The file is read directly, so that page, status and scheduler need no Meltano process for it. `include_paths` are
followed as Meltano does (https://docs.meltano.com/concepts/project/#multiple-yaml-files).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from meltano_ops.settings import OpsError

if TYPE_CHECKING:
    from pathlib import Path

PLUGIN_KINDS = ("extractors", "mappers", "loaders")
_PIPELINE = re.compile(r"^(?:(?P<environment>[^:]+):)?(?P<tap>.+?)-to-(?P<target>[^:]+)(?::(?P<suffix>.+))?$")


@dataclass(frozen=True)
class Plugin:
    """A plugin of the project. `kind` is `extractors`, `mappers` or `loaders`; a mapping belongs to its mapper."""

    name: str
    kind: str
    parent: str | None = None
    mappings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Block:
    """One extract-load step of a job: a tap, the mappings between, a target."""

    tap: str
    mappings: tuple[str, ...]
    target: str

    def state_id(self, environment: str | None, suffix: str | None = None) -> str:
        """Return Meltano's state id (`runs.job_name`) for this step: `prod:tap-a-to-target-b:suffix`."""
        name = f"{self.tap}-to-{self.target}"
        if environment:
            name = f"{environment}:{name}"
        return f"{name}:{suffix}" if suffix else name


@dataclass(frozen=True)
class Schedule:
    """One entry of `schedules:`.

    Attributes:
        name: Its name.
        interval: What is written there, a five-field cron expression or `@daily` and the like.
        command: What comes after `meltano` to run it.
        blocks: The extract-load steps it runs.
        pipelines: Meltano's state ids of these steps.
        env: Its environment variables.
    """

    name: str
    interval: str
    command: tuple[str, ...]
    blocks: tuple[Block, ...]
    pipelines: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Project:
    """The parts of a Meltano project that matter here.

    `files` are `meltano.yml` and what it includes; `log_config` and `database_uri` are Meltano's settings
    (the first is `cli.log_config`), None where not set.
    """

    root: Path
    environment: str | None
    plugins: dict[str, Plugin]
    jobs: dict[str, tuple[Block, ...]]
    schedules: tuple[Schedule, ...]
    log_config: str | None = None
    database_uri: str | None = None
    files: tuple[Path, ...] = ()

    def base_name(self, plugin: str) -> str:
        """Return the plugin from which `plugin` inherits in the end, or itself."""
        seen = {plugin}
        while (known := self.plugins.get(plugin)) and known.parent and known.parent not in seen:
            plugin = known.parent
            seen.add(plugin)
        return plugin

    def role(self, plugin: str) -> str | None:
        """Return `tap`, `mapper`, `target`, or None for a name that is no extract-load plugin."""
        known = self.plugins.get(plugin)
        return {"extractors": "tap", "mappers": "mapper", "loaders": "target"}[known.kind] if known else None


@dataclass(frozen=True)
class PipelineName:
    """A state id, taken apart. `destination` names the place its tables are in, whatever the tap or the suffix."""

    environment: str
    tap: str
    target: str
    suffix: str

    @property
    def destination(self) -> str:
        """Where rows go: `prod:target-mysql-replace`."""
        return f"{self.environment}:{self.target}"


def split_pipeline(state_id: str) -> PipelineName:
    """Take a state id apart; what was named freely (`meltano el --state-id`) is its own tap and destination."""
    found = _PIPELINE.match(state_id)
    if not found:
        return PipelineName("", state_id, state_id, "")
    return PipelineName(found["environment"] or "", found["tap"], found["target"], found["suffix"] or "")


def load_project(root: Path, environment: str | None = None) -> Project:
    """Read `meltano.yml`.

    Args:
        root: Its folder.
        environment: The active environment; the project's default where it is None.

    Raises:
        OpsError: The file cannot be read or has an entry of the wrong shape, or a schedule names a job that is not
            there.
    """
    try:
        return _load(root, environment)
    except (AttributeError, KeyError, TypeError, ValueError, NotImplementedError) as error:
        raise OpsError(
            f"meltano.yml has an entry that is not as Meltano wants it ({type(error).__name__}: {error}); "
            "`meltano compile` names the place."
        ) from None


def _load(root: Path, environment: str | None) -> Project:
    document = _read_yaml(root / "meltano.yml")
    patterns = document.get("include_paths") or []
    included = [path for pattern in patterns for path in sorted(root.glob(pattern)) if path.is_file()]
    parts = [document, *(_read_yaml(path) for path in included)]
    plugins = {plugin.name: plugin for part in parts for plugin in _plugins(part)}
    mappings = {mapping for plugin in plugins.values() for mapping in plugin.mappings}
    environment = environment or document.get("default_environment")
    jobs = {
        job["name"]: _blocks(_words(job.get("tasks") or []), plugins, mappings)
        for part in parts
        for job in part.get("jobs") or []
    }
    schedules = tuple(_schedule(entry, jobs, environment) for part in parts for entry in part.get("schedules") or [])
    files = (root / "meltano.yml", *included)
    log_config = document.get("cli.log_config") or (document.get("cli") or {}).get("log_config")
    return Project(root, environment, plugins, jobs, schedules, log_config, document.get("database_uri"), files)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise OpsError(f"{path} cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise OpsError(f"{path} does not hold a mapping.")
    return document


def _plugins(document: dict[str, Any]) -> list[Plugin]:
    found = []
    for kind in PLUGIN_KINDS:
        for entry in (document.get("plugins") or {}).get(kind) or []:
            mappings = tuple(mapping["name"] for mapping in entry.get("mappings") or [])
            found.append(Plugin(entry["name"], kind, entry.get("inherit_from"), mappings))
    return found


def _words(tasks: list[Any]) -> list[str]:
    """Flatten a job's tasks, which are strings or lists of strings, to the words of `meltano run`."""
    words: list[str] = []
    for task in tasks:
        words += _words(task) if isinstance(task, list) else str(task).split()
    return words


def _blocks(words: list[str], plugins: dict[str, Plugin], mappings: set[str]) -> tuple[Block, ...]:
    """Pair taps and targets as `meltano run` does; other commands (dbt and the like) are not extract-load steps."""
    blocks = []
    tap: str | None = None
    between: list[str] = []
    for word in words:
        kind = plugins[word].kind if word in plugins else None
        if kind == "extractors":
            tap, between = word, []
        elif tap and kind == "loaders":
            blocks.append(Block(tap, tuple(between), word))
            tap = None
        elif tap and (word in mappings or kind == "mappers"):
            between.append(word)
    return tuple(blocks)


def _schedule(entry: dict[str, Any], jobs: dict[str, tuple[Block, ...]], environment: str | None) -> Schedule:
    name, env = entry["name"], {key: str(value) for key, value in (entry.get("env") or {}).items()}
    interval = str(entry.get("interval") or "@once")
    if job := entry.get("job"):
        if job not in jobs:
            raise OpsError(f"Schedule {name} names the job {job}, which meltano.yml does not have.")
        blocks = jobs[job]
        active = env.get("MELTANO_ENVIRONMENT") or environment
        pipelines = tuple(block.state_id(active, env.get("MELTANO_RUN_STATE_ID_SUFFIX")) for block in blocks)
        return Schedule(name, interval, ("run", job), blocks, pipelines, env)
    # A schedule of one tap and one target, without a job: Meltano uses its name as the state id.
    blocks = (Block(entry["extractor"], (), entry["loader"]),)
    command = ("el", entry["extractor"], entry["loader"], f"--state-id={name}")
    return Schedule(name, interval, command, blocks, (name,), env)
