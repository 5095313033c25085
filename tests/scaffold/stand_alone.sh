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
if "$root/scripts/new-device" acme-widget --id 42 --dir project 2> again; then
	echo "it was made twice"
	exit 1
fi
grep -q "is there already" again
tested() { # it builds, and its tests pass
	{ ninja -C project/build && meson test -C project/build; } > "$tmp/log" 2>&1 ||
		{ cat "$tmp/log" project/build/meson-logs/testlog.txt; exit 1; }
}

meson setup project/build project --werror > "$tmp/log" 2>&1 || { cat "$tmp/log"; exit 1; }
tested
project/build/vu-acme-widget --help | grep -q -e --delay-ms
grep -q "RDMA device (virtio id 42)" project/acme_widget.c

# What one changes first, one thing after the other: the first test bears with it.
edit() { # edit SED-SCRIPT
	sed "$1" project/acme_widget.c > "$tmp/edited"
	if cmp -s "$tmp/edited" project/acme_widget.c; then
		echo "nothing to edit: $1"
		exit 1
	fi
	cp "$tmp/edited" project/acme_widget.c
	tested
}
edit 's/QUEUE_TAKE, N_QUEUES/QUEUE_TAKE, QUEUE_EVENTS, N_QUEUES/'
edit 's/^\(.*\)uint32_t actual;$/&\n\1uint64_t more;/'
edit 's/{"target", .*/{"level", "[N]", "how high", 0, 1, command_target},/'
