#!/bin/sh
# Unpack a MySQL server into .cache/mysql, beside the system and without root, for the tests that need the real MySQL.
#
# Debian's stable releases carry MariaDB only; unstable carries mysql-server-core. It is downloaded by apt, with apt's
# own check of signatures, through a private configuration: nothing is installed and no system list changes. The server
# runs on the C library unpacked beside it (tests/servers.py starts it through that library's loader).
# Exit 1 where the machine is not a Debian or has no access to its packages.
set -eu
cd "$(dirname "$0")/.."

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
target=.cache/mysql
[ -x $target/usr/sbin/mysqld ] && exit 0
command -v apt-get >/dev/null && [ -r $keyring ] || { echo "no Debian package archive on this machine" >&2; exit 1; }

work=$PWD/.cache/mysql-download
rm -rf "$work" $target.new
mkdir -p "$work/lists/partial" "$work/archives/partial"
: >"$work/status"
echo "deb [signed-by=$keyring] http://deb.debian.org/debian unstable main" >"$work/sources.list"
cat >"$work/apt.conf" <<EOF
Dir::State::lists "$work/lists";
Dir::State::status "$work/status";
Dir::Cache "$work";
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Sandbox::User "";
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Debug::NoLocking "true";
EOF
export APT_CONFIG="$work/apt.conf"
apt-get update -qq
apt-get install -qq -y --download-only mysql-server-core >/dev/null

mkdir -p $target.new
for package in "$work"/archives/*.deb; do
    dpkg-deb --extract "$package" $target.new
done
mv $target.new $target
rm -rf "$work"
