#!/bin/sh
# SPDX-License-Identifier: MIT
# Build a device in a meson project that has libvu as a subproject: subproject.sh ROOT
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/subprojects"
ln -s "$1" "$tmp/subprojects/libvu"
cp "$1/tests/abi/outside.c" "$tmp"
cat > "$tmp/meson.build" << 'BUILD'
project('outside', 'c')
executable('outside', 'outside.c', dependencies: dependency('libvu', fallback: ['libvu', 'libvu_dep']))
BUILD
{ meson setup "$tmp/build" "$tmp" -Dlibvu:examples=disabled -Dlibvu:tools=disabled &&
	ninja -C "$tmp/build"; } > "$tmp/log" 2>&1 || { cat "$tmp/log"; exit 1; }
"$tmp/build/outside" --print-capabilities
