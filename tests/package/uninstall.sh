#!/bin/sh
# SPDX-License-Identifier: MIT
# What is installed is gone when it is uninstalled: uninstall.sh BUILD
set -eu
build=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
DESTDIR=$tmp/there meson install -C "$build" --no-rebuild >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 1; }
installed=$(find "$tmp/there" ! -type d | wc -l)
[ "$installed" -gt 50 ] || { echo "only $installed files were installed"; exit 1; }
(cd "$build" && meson --internal uninstall) >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 1; }
left=$(find "$tmp" -path "$tmp/there/*" ! -type d)
[ -z "$left" ] || { echo "left behind:"; echo "$left"; exit 1; }
echo "$installed files came and went"
