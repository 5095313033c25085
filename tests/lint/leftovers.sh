#!/bin/sh
# SPDX-License-Identifier: MIT
# Lints look at the project's files, not at what else lies in the folder: leftovers.sh ROOT
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
tree=$tmp/tree
mkdir "$tree"
python3 "$1/tests/lint/sources.py" "$1" | tar -C "$1" --null -T - -cf - | tar -C "$tree" -xf -
unfinished="TO""DO"

all_pass() { # all_pass WHERE
	for lint in includes size locks comments words; do
		"$tree/tests/lint/$lint.py" "$tree" > "$tmp/said" 2>&1 ||
			{ echo "$lint.py fails $1:"; cat "$tmp/said"; exit 1; }
	done
}

words_fails() { # words_fails WHERE
	if "$tree/tests/lint/words.py" "$tree" > "$tmp/said"; then
		echo "words.py does not see lib/base/new.c $1"
		exit 1
	fi
	grep -q '^lib/base/new.c:1: ' "$tmp/said"
}

mkdir -p "$tree/o/meson-private" "$tree/bindings/python/build/lib" "$tree/tests/env" "$tree/lib/x.p"
touch "$tree/lib/x.p/build.ninja" "$tree/tests/env/pyvenv.cfg"
for name in o/generated.c bindings/python/build/lib/copy.py tests/env/site.py lib/x.p/a.c \
	lib/base/log.c.orig include/libvu/device.h~; do
	echo "/* $unfinished */" > "$tree/$name"
done
all_pass "without git, beside leftovers"
echo "/* $unfinished */" > "$tree/lib/base/new.c"
words_fails "without git"

command -v git > /dev/null || exit 0
rm "$tree/lib/base/new.c"
cd "$tree"
tests/lint/sources.py . > "$tmp/ours"
git init -q
xargs -0 git add -f < "$tmp/ours"
echo "$unfinished" > "$tree/scratch.py"
all_pass "in a git tree, beside files that are not tracked"
echo "/* $unfinished */" > "$tree/lib/base/new.c"
git add lib/base/new.c
words_fails "in a git tree"
