#!/bin/sh
# SPDX-License-Identifier: MIT
# A new device in a copy of this tree builds, and passes its first test and the lints: in_tree.sh ROOT
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/tree"
python3 "$1/tests/lint/sources.py" "$1" | tar -C "$1" --null -T - -cf - | tar -C "$tmp/tree" -xf -
cd "$tmp/tree"

refused() { # refused REASON ARGUMENTS...
	reason=$1
	shift
	if scripts/new-device "$@" > "$tmp/out" 2>&1; then
		echo "new-device $* was not refused"
		exit 1
	fi
	grep -q "$reason" "$tmp/out" || { cat "$tmp/out"; exit 1; }
}

refused "what is it to a driver" widget
refused "is no name" Widget --id 42
refused "is no name" widget- --id 42
refused "means something else" pending --id 42
refused "means something else" double --id 42
refused "a number from 1 to 63" widget --id 0
refused "is no type that virtio has" widget --id widget
refused "is there already" rng --id rng
PKG_CONFIG_LIBDIR=$tmp scripts/new-device acme-widget --id rdma > "$tmp/out"
grep -q "needs cmocka" "$tmp/out"
grep -q "vu-acme-widget: RDMA device (virtio id 42), made from" examples/acme_widget/acme_widget.c
grep -q "DEVICE_ID = 42" examples/acme_widget/acme_widget.c
refused "is there already" acme-widget --id 42
{ meson setup build --buildtype=debug -Dtests=enabled -Dexamples=enabled -Dtools=disabled -Dblk=disabled &&
	ninja -C build examples/vu-acme-widget tests/devices/test_devices_acme_widget &&
	meson test -C build --no-rebuild devices_acme_widget describe_vu-acme-widget &&
	meson test -C build --no-rebuild --suite lint; } > "$tmp/log" 2>&1 || { cat "$tmp/log"; exit 1; }

# Without cmocka its test is skipped, not left out in silence.
{ PKG_CONFIG_LIBDIR=$tmp CMAKE=false meson setup bare -Dblk=disabled &&
	meson test -C bare --no-rebuild devices_acme_widget; } > "$tmp/log" 2>&1 || { cat "$tmp/log"; exit 1; }
grep -q 'devices_acme_widget *SKIP' "$tmp/log" || { cat "$tmp/log"; exit 1; }
