#!/bin/sh
# SPDX-License-Identifier: MIT
# The ABI gate of libvu-glib: abi.sh same|broken ROOT BUILD_DIR
# same: what the tree builds is what abi/libvu-glib.abi.xml says.
# broken: a virtual method put into the middle of the class of devices does not get through.
set -u
mode=$1 root=$2 build=$3
if ! grep -q "architecture='elf-amd-$(uname -m)'" "$root/abi/libvu-glib.abi.xml"; then
	echo "skipped: the stored ABI is that of another architecture"
	exit 77
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

if [ "$mode" = broken ]; then
	mkdir -p "$tmp/tree/bindings"
	cp -r "$root/bindings/glib" "$tmp/tree/bindings"
	cp -r "$root/include" "$tmp/tree"
	header=bindings/glib/libvu-glib/vu-glib-device.h
	sed -i 's/^\tvoid (\*started)(VuGlibDevice \*device);$/\tvoid (*in_the_middle)(VuGlibDevice *device);\n&/' "$tmp/tree/$header"
	if cmp -s "$root/$header" "$tmp/tree/$header"; then
		echo "the class has no started any more: mend this test"
		exit 1
	fi
	tree=$tmp/tree
fi
"$root/abi/dump" --glib "$build" "$tmp/new.xml" ${tree:-}
status=$?
[ $status -eq 0 ] || exit $status

# What GLib has in its own structs is its business, and another in each of its releases.
printf '[suppress_type]\n\tname_not_regexp = ^_?VuGlib\n' > "$tmp/not-ours"
abidiff --suppressions "$tmp/not-ours" "$root/abi/libvu-glib.abi.xml" "$tmp/new.xml" > "$tmp/report" 2>&1
status=$?
cat "$tmp/report"
if [ "$mode" = broken ]; then
	# 1 and 2 mean that abidiff itself failed; 4 that the ABI changed.
	[ $((status & 3)) -eq 0 ] && [ $((status & 4)) -ne 0 ] && grep -q in_the_middle "$tmp/report"
	exit
fi
if [ $status -ne 0 ]; then
	echo "The ABI is not the stored one.  If that is meant (docs/abi.md): abi/update BUILD_DIR"
fi
exit $status
