#!/bin/sh
# SPDX-License-Identifier: MIT
# A new device in a project of its own builds against an installed library, and passes its first
# test: stand_alone.sh ROOT BUILD
set -eu
root=$1 build=$2
command -v pkg-config > /dev/null || { echo "skipped: pkg-config is not installed"; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

DESTDIR=$tmp/root meson install -C "$build" --no-rebuild > "$tmp/log" 2>&1 ||
	{ cat "$tmp/log"; exit 1; }
pc=$(find "$tmp/root" -name libvu.pc)
export PKG_CONFIG_LIBDIR="${pc%/*}" PKG_CONFIG_SYSROOT_DIR="$tmp/root"
unset PKG_CONFIG_PATH
LD_LIBRARY_PATH=$(dirname "$(find "$tmp/root" -name 'libvu.so.0')")
export LD_LIBRARY_PATH

cd "$tmp"
"$root/scripts/new-device" acme-widget --id 42 --dir project
if "$root/scripts/new-device" acme-widget --dir project 2> again; then
	echo "it was made twice"
	exit 1
fi
grep -q "is there already" again
{ meson setup project/build project --werror && meson test -C project/build; } > "$tmp/log" 2>&1 ||
	{ cat "$tmp/log" project/build/meson-logs/testlog.txt; exit 1; }
project/build/vu-acme-widget --help | grep -q -e --delay-ms
