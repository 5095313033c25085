#!/bin/sh
# SPDX-License-Identifier: MIT
# A device and its test outside of the tree, with what is installed and nothing else; and the library has no
# names but its own: outside.sh ROOT BUILD ARCHIVE COMPILER...
set -eu
root=$1 build=$2 archive=$3
shift 3
command -v pkg-config > /dev/null || { echo "skipped: pkg-config is not installed"; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

other=$(nm --defined-only -g "$archive" | awk 'NF == 3 {print $3}' | grep -v '^vut_' || true)
[ -z "$other" ] || { echo "names without the prefix: $other"; exit 1; }
nm --defined-only -g "$archive" | awk 'NF == 3 {print $3}' | sort > "$tmp/has"
grep -o '\bvut_[a-z_]*(' "$root/testing/libvu-testing/testing.h" | tr -d '(' | sort -u > "$tmp/says"
# a name in a comment is one, too
diff "$tmp/says" "$tmp/has" || { echo "header and library have not the same functions"; exit 1; }
written=$(objdump -t "$archive" | awk '$4 == ".bss" || $4 == ".data" || $5 == ".bss" || $5 == ".data" {print $NF}' |
	grep -v '^\.' || true)
[ -z "$written" ] || { echo "writable globals: $written"; exit 1; }

DESTDIR=$tmp/root meson install -C "$build" --no-rebuild > "$tmp/log" 2>&1 || { cat "$tmp/log"; exit 1; }
pc=$(find "$tmp/root" -name libvu-testing.pc)
[ -n "$pc" ] || { echo "libvu-testing.pc is not installed"; exit 1; }
export PKG_CONFIG_LIBDIR="${pc%/*}" PKG_CONFIG_SYSROOT_DIR="$tmp/root"
unset PKG_CONFIG_PATH
LD_LIBRARY_PATH=$(dirname "$(find "$tmp/root" -name libvu.so.0)")
export LD_LIBRARY_PATH

cp "$root/tests/testing/echo_test.c" "$tmp"
cd "$tmp"
printf '#include <libvu-testing/testing.h>\n#include <libvu-testing/testing.h>\nint main(void);\n' > header.c
for std in c99 c11; do
	# shellcheck disable=SC2046
	"$@" -std=$std -Wall -Wextra -Wundef -pedantic -Werror -fsyntax-only $(pkg-config --cflags libvu-testing) header.c
done
if command -v g++ > /dev/null; then
	# shellcheck disable=SC2046
	g++ -x c++ -std=c++17 -Wall -Wextra -Werror -fsyntax-only $(pkg-config --cflags libvu-testing) header.c
fi
# shellcheck disable=SC2046
"$@" -std=gnu11 -Wall -Wextra -Werror echo_test.c -o echo_test $(pkg-config --cflags --libs libvu libvu-testing)
./echo_test
awk '/^```c$/ {inside = 1; next} /^```$/ {inside = 0} inside' "$root/docs/libvu-testing.md" > listing.c
# shellcheck disable=SC2046
"$@" -Wall -Wextra -Werror listing.c -o listing $(pkg-config --cflags --libs libvu-testing)
[ ! -x "$build/examples/vu-rng" ] || {
	"$build/examples/vu-rng" --socket-path="$tmp/socket" --once &
	pid=$!
	trap 'kill "$pid" 2> /dev/null || true; rm -rf "$tmp"' EXIT
	./listing "$tmp/socket"
	wait "$pid"
}
