#!/bin/sh
# Make .venv from uv.lock. Needs Python 3.10+; everything else is fetched.
#
#   scripts/setup.sh          what the pipelines and the demo need
#   scripts/setup.sh dev      the same, and the tools of the test suite
#   scripts/setup.sh seekdb   the same, and a database server that needs no root (Linux, Python 3.11+)
set -eu
cd "$(dirname "$0")/.."

uv=$(command -v uv || true)
if [ -z "$uv" ]; then
    uv=.uv/bin/uv
    if [ ! -x "$uv" ]; then
        if ! python3 -m venv --clear .uv 2>/dev/null; then
            # Debian and Ubuntu leave venv out of python3.
            scripts/apt-install.sh python3-venv
            python3 -m venv --clear .uv
        fi
        .uv/bin/python -m pip install --quiet --disable-pip-version-check uv
    fi
fi

sync() {
    # --inexact keeps the tools of `make test` when `make demo` follows it.
    # Compiled once here, not at every start of the five programs of a run.
    "$uv" sync --quiet --locked --compile-bytecode --inexact --all-packages --no-default-groups "$@"
}

# A company's proxy may sign with a certificate that only the system knows.
sync --group "${1:-sandbox}" || sync --group "${1:-sandbox}" --system-certs
