#!/bin/sh
# SPDX-License-Identifier: MIT
# The ABI gate: gate.sh same|broken ROOT BUILD_DIR
# same: what the tree builds is what abi/libvu.abi.xml says, and that says nothing about the inside
# of handles: they may change.
# broken: a member put into the middle of struct vu_req does not get through.
set -u
mode=$1 root=$2 build=$3
if ! grep -q "architecture='elf-amd-$(uname -m)'" "$root/abi/libvu.abi.xml"; then
	echo "skipped: the stored ABI is that of another architecture"
	exit 77
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

if [ "$mode" = broken ]; then
	mkdir "$tmp/tree"
	cp -r "$root/lib" "$root/include" "$tmp/tree"
	sed -i 's/^\tuint32_t n_readable;$/\tuint32_t in_the_middle;\n&/' \
		"$tmp/tree/include/libvu/queue.h"
	if cmp -s "$root/include/libvu/queue.h" "$tmp/tree/include/libvu/queue.h"; then
		echo "struct vu_req has no n_readable any more: mend this test"
		exit 1
	fi
	root_of_copy=$tmp/tree
fi
"$root/abi/dump" "$build" "$tmp/new.xml" ${root_of_copy:-}
status=$?
[ $status -eq 0 ] || exit $status

abidiff "$root/abi/libvu.abi.xml" "$tmp/new.xml" > "$tmp/report" 2>&1
status=$?
cat "$tmp/report"
if [ "$mode" = broken ]; then
	# 1 and 2 mean that abidiff itself failed; 4 that the ABI changed.
	[ $((status & 3)) -eq 0 ] && [ $((status & 4)) -ne 0 ] && grep -q in_the_middle "$tmp/report"
	exit
fi
for handle in $(sed -n 's/^struct \(vu_[a-z]*\);$/\1/p' "$root/include/libvu/types.h"); do
	if grep "class-decl name='$handle' " "$root/abi/libvu.abi.xml" | grep -v is-declaration-only; then
		echo "struct $handle is described as if it were public"
		status=1
	fi
done
if [ $status -ne 0 ]; then
	echo "The ABI is not the stored one.  If that is meant (docs/abi.md): abi/update BUILD_DIR"
fi
exit $status
