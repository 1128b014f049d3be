#!/bin/sh
# ruff, its formatter as a check, and mypy: each package on its own, since their tests share module names.
set -eu
cd "$(dirname "$0")/.."
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy tests scripts conftest.py
for package in tap-kuaimai tap-dingtalk-approval target-mysql-replace transforms ops/meltano_ops; do
    .venv/bin/mypy "$package"
done
.venv/bin/mypy -p ops.tests
