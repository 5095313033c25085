#!/bin/sh
# SPDX-License-Identifier: MIT
# Install into an empty directory and build a device against that: installed.sh ROOT BUILD COMPILER...
set -eu
root=$1 build=$2
shift 2
command -v pkg-config > /dev/null || { echo "skipped: pkg-config is not installed"; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

DESTDIR=$tmp/root meson install -C "$build" --no-rebuild > "$tmp/log" 2>&1 ||
	{ cat "$tmp/log"; exit 1; }
pc=$(find "$tmp/root" -name libvu.pc)
[ -n "$pc" ] || { echo "libvu.pc is not installed"; exit 1; }
export PKG_CONFIG_LIBDIR="${pc%/*}" PKG_CONFIG_SYSROOT_DIR="$tmp/root"
unset PKG_CONFIG_PATH

cp "$root/tests/abi/outside.c" "$tmp"
cd "$tmp"
# shellcheck disable=SC2046
"$@" outside.c -o outside $(pkg-config --cflags --libs libvu)
lib=$(dirname "$(find "$tmp/root" -name 'libvu.so.0')")
export LD_LIBRARY_PATH="$lib"
ldd ./outside | grep -q "libvu.so.0 => $lib/" || { echo "not linked to libvu.so.0"; exit 1; }
./outside --print-capabilities > caps
cat caps
python3 -c 'import json, sys; assert json.load(sys.stdin)["type"] == "rng"' < caps
