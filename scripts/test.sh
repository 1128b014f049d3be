#!/bin/sh
# Everything that must hold: the lock file, the linters, every test. Two test processes, one for each core we count on.
set -eu
cd "$(dirname "$0")/.."
scripts/lint.sh
exec .venv/bin/python -m pytest --numprocesses 2 --dist worksteal "$@"
