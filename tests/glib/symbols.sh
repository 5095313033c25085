#!/bin/sh
# SPDX-License-Identifier: MIT
# What libvu-glib exports is what bindings/glib/symbols.txt has, each with our prefix and version; and
# each is in the .gir, if there is one: symbols.sh ROOT LIBRARY [GIR]
set -eu
root=$1 library=$2 gir=${3:-}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

nm -D --defined-only "$library" | awk '$2 != "A" {print $3}' | LC_ALL=C sort > "$tmp/exported"
grep -v '^vu_glib_[a-z0-9_]*@@LIBVU_GLIB_0\.1$' "$tmp/exported" && { echo "without our prefix and version"; exit 1; }
sed 's/@@.*//' "$tmp/exported" > "$tmp/symbols"
if ! diff -u "$root/bindings/glib/symbols.txt" "$tmp/symbols"; then
	echo "The symbols are not the stored ones.  If that is meant, store them: NEWS.md should say so"
	exit 1
fi
[ -n "$gir" ] || exit 0
# Those of C alone are said to be so where they are declared: "(skip)".
while read -r name; do
	grep -q "\"$name\"" "$gir" || grep -qr "$name: (skip)" "$root/bindings/glib/libvu-glib" ||
		{ echo "$name is not in the .gir"; exit 1; }
done < "$tmp/symbols"
