"""Write the settings of every plugin, from the plugin itself, into the places where users read or set them.

The schema of a plugin (``<plugin> --about --format=json``) is the only source of names, defaults and descriptions.
From it come the settings tables of the project's two READMEs, the ``settings`` of ``meltano.yml`` and ``.env.example``.
A test runs ``written`` and compares; ``python -m scripts.settings --check`` does the same by hand.
"""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
PLUGINS = ("tap-kuaimai", "tap-dingtalk-approval", "target-mysql-replace")
# Every Singer SDK plugin has these; meltano.yml names the ones below, so that `meltano config` knows them.
SDK_SETTINGS: dict[str, str] = {
    "stream_maps": "object",
    "stream_map_config": "object",
    "faker_config": "",
    "flattening_enabled": "boolean",
    "flattening_max_depth": "integer",
    "flattening_max_key_length": "integer",
    "flattening_separator": "string",
    "batch_config": "",
}
KINDS = {"number": "decimal", "integer": "integer", "boolean": "boolean", "object": "object", "array": "array"}


@dataclasses.dataclass(frozen=True)
class Setting:
    """One setting of a plugin, as its schema tells it."""

    name: str
    kind: str
    required: bool
    secret: bool
    default: Any
    description: str

    @property
    def default_text(self) -> str:
        """Return what the README's column says."""
        if self.required:
            return "required"
        if self.default is None:
            return ""
        return f"`{self.default}`" if isinstance(self.default, str) else f"`{json.dumps(self.default)}`"


def settings_of(plugin: str) -> list[Setting]:
    """Ask an installed plugin for its own settings, in the order of its schema, without the SDK's."""
    command = [str(ROOT / ".venv" / "bin" / plugin), "--about", "--format=json"]
    about = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    schema = about["settings"]
    required = set(schema.get("required", ()))
    return [
        _setting(name, property_, required=name in required)
        for name, property_ in schema["properties"].items()
        if name not in SDK_SETTINGS
    ]


def _setting(name: str, schema: dict[str, Any], *, required: bool) -> Setting:
    types = schema.get("type", "string")
    types = [types] if isinstance(types, str) else [type_ for type_ in types if type_ != "null"]
    kind = (
        next((kind for type_, kind in KINDS.items() if type_ in types), "string") if "string" not in types else "string"
    )
    description = " ".join(str(schema.get("description", "")).split())
    return Setting(name, kind, required, bool(schema.get("secret")), schema.get("default"), description)


def table(settings: list[Setting], translations: dict[str, str] | None = None) -> str:
    """Return the README's table, with Chinese descriptions where ``translations`` has them."""
    head = ("| setting | default | |", "|---|---|---|")
    if translations is not None:
        head = ("| 设置 | 默认值 | |", "|---|---|---|")
    lines = [*head]
    for setting in settings:
        text = setting.description if translations is None else translations[setting.name]
        default = setting.default_text
        if translations is not None:
            default = default.replace("required", "必填")
        secret = (" (secret)" if translations is None else "（保密）") if setting.secret else ""
        lines.append(f"| `{setting.name}` | {default}{secret} | {text.replace('|', chr(92) + '|')} |")
    return "\n".join(lines)


def meltano_settings(settings: list[Setting]) -> str:
    """Return the ``settings`` list of a plugin in ``meltano.yml``."""
    lines = []
    for setting in settings:
        sensitive = ", sensitive: true" if setting.secret else ""
        lines.append(f"    - {{name: {setting.name}, kind: {setting.kind}{sensitive}}}")
    lines.extend(f"    - {{name: {name}, kind: {kind}}}" for name, kind in SDK_SETTINGS.items() if kind)
    return "\n".join(lines)


def env_example(plugins: dict[str, list[Setting]]) -> str:
    """Return ``.env.example``: what must be set as empty assignments, the rest as comments with the default."""
    lines = [
        "# Copy to .env and fill in. Meltano reads it; .env is never committed.",
        "# A line that begins with # keeps the default that it shows.",
    ]
    for plugin, settings in plugins.items():
        lines += ["", f"# --- {plugin} ---"]
        for setting in settings:
            name = f"{plugin}_{setting.name}".replace("-", "_").upper()
            default = setting.default
            value = "" if default is None else default if isinstance(default, str) else json.dumps(default)
            essential = (setting.required and setting.kind == "string") or (
                plugin.startswith("target-") and setting.name in _CONNECTION
            )
            lines += [f"# {setting.description}", f"{'' if essential else '# '}{name}={value}"]
    lines += [
        "",
        "# --- the mapping `privacy` ---",
        "# A long random text, kept for good: it turns nicknames into hashes that nobody can compute who lacks it",
        "# MAPPING_SALT=",
        "",
        "# --- meltano-ops (page, checks, alerts, scheduler) ---",
    ]
    for name, default, meaning in _OPS_SETTING.findall((ROOT / "ops" / "README.md").read_text()):
        lines += [f"# {meaning}", f"# {name}={default.strip(' `')}"]
    return "\n".join(lines) + "\n"


_OPS_SETTING = re.compile(r"^\| `(MELTANO_OPS_\w+)` \|([^|]*)\| (.*) \|$", re.MULTILINE)
_CONNECTION = ("host", "user", "password", "database")


def replace_between(text: str, start: str, end: str, content: str) -> str:
    """Return ``text`` with what stands between the lines ``start`` and ``end`` replaced.

    Raises:
        ValueError: one of the two lines is missing.
    """
    pattern = re.compile(rf"({re.escape(start)}\n)(.*?)([ ]*{re.escape(end)}\n)", re.DOTALL)
    changed, count = pattern.subn(lambda match: f"{match[1]}{content}\n{match[3]}", text)
    if count != 1:
        raise ValueError(f"{start!r} … {end!r} must stand once, not {count} times")
    return changed


def written() -> dict[Path, str]:
    """Return every file that holds settings, with the text it should have."""
    plugins = {plugin: settings_of(plugin) for plugin in PLUGINS}
    translations: dict[str, dict[str, str]] = yaml.safe_load((ROOT / "docs" / "settings.zh-CN.yml").read_text())
    english, chinese, meltano = ROOT / "README.md", ROOT / "README.zh-CN.md", ROOT / "meltano.yml"
    files = {path: path.read_text() for path in (english, chinese, meltano)}
    for plugin, settings in plugins.items():
        start, end = f"<!-- settings: {plugin} -->", "<!-- end -->"
        files[english] = replace_between(files[english], start, end, table(settings))
        files[chinese] = replace_between(files[chinese], start, end, table(settings, translations[plugin]))
        files[meltano] = replace_between(
            files[meltano], f"    settings:  # {plugin}", "# end of settings", meltano_settings(settings)
        )
    files[ROOT / ".env.example"] = env_example(plugins)
    return files


def main() -> int:
    """Write the files, or with ``--check`` only name the ones that differ; return the exit code."""
    stale = {path: text for path, text in written().items() if not path.exists() or path.read_text() != text}
    for path, text in stale.items():
        if "--check" in sys.argv:
            print(f"{path.relative_to(ROOT)} is out of date: run `python -m scripts.settings`")
        else:
            path.write_text(text)
    return int(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
