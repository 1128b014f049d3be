#!/bin/sh
# Install Debian or Ubuntu packages, as root or through sudo without a question. Exit 1 where that is impossible.
set -eu
command -v apt-get >/dev/null || exit 1
as_root=
if [ "$(id -u)" -ne 0 ]; then
    sudo -n true 2>/dev/null || exit 1
    as_root="sudo -n"
fi
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
$as_root apt-get install -y -qq --no-install-recommends "$@" >/dev/null
