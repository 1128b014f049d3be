"""What an operator sees: one line, exit code 1, no secret; and a README that does not drift from the program."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from target_mysql_replace.target import TargetMySQLReplace

if TYPE_CHECKING:
    from tests.conftest import Loading

_README = Path(__file__).parent.parent / "README.md"
_PROPERTIES = {"id": {"type": "integer"}}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"password": "wr0ng-s3cret"}, b"The server refused the user or the password."),
        ({"user": "nobody-there"}, b"The server refused the user or the password."),
        ({"database": "no_such_database"}, b"The database does not exist."),
        ({"host": "host.invalid"}, b"The server cannot be reached."),
        ({"port": 1}, b"The server cannot be reached."),
        ({"ssl_ca": "/no/such/file.pem"}, b"Check ssl_ca"),
        ({"ssl_verify": True}, b"TLS failed."),
        ({"database": None}, b"Setting missing: database"),
        ({"sqlalchemy_url": "mysql://u:wr0ng-s3cret@h:bad/d"}, b"sqlalchemy_url is not a URL."),
        ({"sqlalchemy_url": "postgresql://u:wr0ng-s3cret@h/d"}, b"Use mysql+pymysql"),
        ({"time_zone": "Asia/Shanghai"}, b"time_zone"),
        ({"password": 12345678, "batch_size_rows": 0}, b"The settings are wrong"),
    ],
)
def test_what_cannot_work_is_told_in_one_line_without_a_secret(
    loading: Loading, tmp_path: Path, settings: dict[str, Any], told: bytes
) -> None:
    config = {name: value for name, value in loading.config(**settings).items() if value is not None}
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "target_mysql_replace", "--config", path],
        input=loading.lines([loading.schema("t", _PROPERTIES, "id"), loading.state(1)]),
        capture_output=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stdout == b""
    assert b"Traceback" not in run.stderr
    critical = [line for line in run.stderr.splitlines() if b"CRITICAL" in line]
    assert len(critical) == 1
    assert told in critical[0]
    for secret in (loading.server.password, "wr0ng-s3cret", "12345678"):
        assert secret.encode() not in run.stderr


def test_settings_that_cannot_be_read_are_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"password": "wr0ng-s3cret", ', encoding="utf-8")
    for name in (path, tmp_path / "missing.json"):
        run = subprocess.run(
            [sys.executable, "-m", "target_mysql_replace", "--config", name],
            input=b"",
            capture_output=True,
            check=False,
        )
        assert run.returncode == 1
        assert b"The file given with --config cannot be read" in run.stderr.splitlines()[-1]
        assert b"wr0ng" not in run.stderr
        assert b"Traceback" not in run.stderr


def test_a_table_that_may_not_be_written_ends_the_run(loading: Loading) -> None:
    loading.load([loading.schema("t", _PROPERTIES, "id")])
    user = f"reader_{loading.database}"
    loading.server.execute(f"CREATE USER {user} IDENTIFIED BY 'word'")
    loading.server.execute(f"GRANT SELECT ON `{loading.database}`.* TO {user}")
    run = loading.run(
        [loading.schema("t", _PROPERTIES, "id"), *loading.records("t", {"id": 1}), loading.state(1)],
        user=user,
        password="word",
    )
    assert (run.returncode, run.stdout) == (1, b"")
    assert b"The user may not do this. Grant it" in run.stderr.splitlines()[-1]


def test_a_url_does_the_same_as_the_single_settings(loading: Loading, tmp_path: Path) -> None:
    server = loading.server
    url = f"mysql://{server.user}:{server.password}@{server.host}:{server.port}/{loading.database}"
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"sqlalchemy_url": url}), encoding="utf-8")
    lines = loading.lines([loading.schema("t", _PROPERTIES, "id"), *loading.records("t", {"id": 1})])
    file = tmp_path / "input.singer"
    file.write_bytes(lines)
    subprocess.run(
        [sys.executable, "-m", "target_mysql_replace", "--config", path, "--input", file],
        check=True,
        capture_output=True,
    )
    assert loading.table("t") == [(1,)]


def test_a_password_of_any_letters_works(loading: Loading) -> None:
    user, word = f"chinese_{loading.database}", "密码😀'\"\\ %"
    with loading.server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE USER {user} IDENTIFIED BY %s", (word,))
        cursor.execute(f"GRANT ALL ON `{loading.database}`.* TO {user}")
    loading.load([loading.schema("t", _PROPERTIES, "id")], user=user, password=word)
    assert loading.table("t") == []


def test_another_database_is_made_and_used(loading: Loading) -> None:
    other = f"{loading.database}_other"
    messages = [loading.schema("t", _PROPERTIES, "id"), *loading.records("t", {"id": 1})]
    loading.load(messages, default_target_schema=other, table_prefix="ods_")
    assert loading.rows(f"SELECT id FROM `{other}`.ods_t") == [(1,)]
    assert {name for (name,) in loading.rows("SHOW TABLES")} == {"_load_ledger", "_quarantine"}


def test_the_readme_lists_every_setting_with_its_default() -> None:
    schema: dict[str, Any] = json.loads(json.dumps(TargetMySQLReplace.config_jsonschema))
    TargetMySQLReplace.append_builtin_config(schema)
    documented: dict[str, str] = {}
    for line in _README.read_text("utf-8").splitlines():
        if cells := re.fullmatch(r"\| (`[a-z_`, ]+`) \| (.*?) ?\| .*\|", line):
            documented |= dict.fromkeys(re.findall(r"`([a-z_]+)`", cells[1]), cells[2].strip("` "))
    settings = schema["properties"]
    assert set(settings) == set(documented) - {"load_data", "replace", "upsert"}
    defaults = {
        name: str(value["default"]).replace("False", "false").replace("True", "true")
        for name, value in settings.items()
        if value.get("default") not in (None, "")
    }
    undocumented = {name: default for name, default in defaults.items() if documented[name] != default}
    assert {name for name in undocumented if not name.startswith(("flattening", "stream", "faker"))} == set()
