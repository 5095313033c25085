#!/bin/sh
# SPDX-License-Identifier: MIT
# The RPM spec builds, and each package has its files: rpm.sh ROOT
set -eu
root=$1
command -v rpmbuild >/dev/null || { echo "skipped: no rpmbuild (scripts/setup package)"; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
unset DESTDIR CC
version=$(sed -n 's/^Version: *//p' "$root/rpm/libvu.spec")
mkdir -p "$tmp/SOURCES"
python3 "$root/tests/lint/sources.py" "$root" |
	tar -C "$root" --null -T - --transform="s,^,libvu-$version/," -czf "$tmp/SOURCES/libvu-$version.tar.gz"
# What it needs is here by other names.
rpmbuild --nodeps -bb --define "_topdir $tmp" "$root/rpm/libvu.spec" >"$tmp/log" 2>&1 ||
	{ tail -n 40 "$tmp/log"; exit 1; }
! grep 'File listed twice' "$tmp/log"

has() { # has PACKAGE FILE...
	package=$1
	shift
	rpm -qpl "$tmp"/RPMS/*/"$package"-[0-9]*.rpm >"$tmp/list" 2>"$tmp/said"
	for file; do
		grep -q "$file\$" "$tmp/list" || { echo "$package has no $file"; cat "$tmp/list"; exit 1; }
	done
}

has libvu 'libvu\.so\.0'
has libvu-devel libvu/vu.h libvu.pc libvu-testing/testing.h libvu-testing.a libvu-testing.pc
has libvu-tools vu-trace vu-bench
has vu-devices bin/vu-rng vu-rng@.service vu-rng@.socket 50-vu-rng.json man1/vu-rng.1
echo "four packages have their files"
