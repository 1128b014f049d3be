#!/bin/sh
# Everything that must hold: the lock file, the linters, every test. Two test processes, one for each core we count on.
set -eu
cd "$(dirname "$0")/.."

# Real servers and a real browser. Where they can be neither found nor installed, the tests that need them say so and skip.
need() {
    command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ] || missing="$missing $2"
}
missing=
need mariadbd mariadb-server
need chromium chromium
need chromedriver chromium-driver
# shellcheck disable=SC2086 # a list of packages
[ -z "$missing" ] || scripts/apt-install.sh $missing || echo "not installed:$missing" >&2

scripts/lint.sh
exec .venv/bin/python -m pytest --numprocesses 2 --dist loadscope "$@"
