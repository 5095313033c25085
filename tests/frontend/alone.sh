#!/bin/sh
# SPDX-License-Identifier: MIT
# The test peer as others would have it, its headers and its archive in an empty folder: each header
# compiles alone, a program needs nothing else, no name is without a prefix of its own.
# alone.sh ROOT ARCHIVE COMPILER...
set -eu
root=$1 archive=$2
shift 2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
flags="-std=c11 -D_GNU_SOURCE -Wall -Wextra -Wundef -pedantic -Werror"

mkdir -p "$tmp/include/frontend" "$tmp/include/wire"
cp "$root"/tests/frontend/*.h "$tmp/include/frontend"
cp "$root/lib/wire/spec.h" "$tmp/include/wire"
for header in "$tmp"/include/*/*.h; do
	name=${header#"$tmp/include/"}
	printf '#include "%s"\n#include "%s"\nint main(void);\n' "$name" "$name" > "$tmp/one.c"
	# shellcheck disable=SC2086
	"$@" $flags -I "$tmp/include" -fsyntax-only "$tmp/one.c" || { echo "$name: not C11 by itself"; exit 1; }
done

cp "$root/tests/frontend/alone.c" "$tmp"
# shellcheck disable=SC2086
"$@" $flags -I "$tmp/include" "$tmp/alone.c" "$archive" -o "$tmp/alone"
"$tmp/alone"

other=$(nm --defined-only -g "$archive" | awk 'NF == 3 {print $3}' | grep -v -E '^(driver|frontend|guest|iommu|peer)_' || true)
[ -z "$other" ] || { echo "names without a prefix: $other"; exit 1; }
# Read-only after relocation is D to nm, but in another section than what is written to.
written=$(objdump -t "$archive" | awk '$4 == ".bss" || $4 == ".data" || $5 == ".bss" || $5 == ".data" {print $NF}' |
	grep -v '^\.' || true)
[ -z "$written" ] || { echo "writable globals: $written"; exit 1; }
