#!/bin/sh
# SPDX-License-Identifier: MIT
# The tarball of a release builds, and its tests pass, where there is neither git nor a network: dist.sh ROOT
set -eu
root=$1
command -v git >/dev/null || { echo "skipped: no git"; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
unset MESON_TESTTHREADS DESTDIR

quietly() {
	"$@" >"$tmp/log" 2>&1 || { grep -v ' OK ' "$tmp/log" | tail -n 60; echo "failed: $*"; exit 1; }
}

mkdir "$tmp/tree"
python3 "$root/tests/lint/sources.py" "$root" | tar -C "$root" --null -T - -cf - | tar -C "$tmp/tree" -xf -
cd "$tmp/tree"
git init -q .
git add -A -f .
git -c user.name=test -c user.email=test@example.org commit -qm "all of it"
quietly meson setup "$tmp/build" -Dtests=disabled
quietly meson dist -C "$tmp/build" --no-tests --formats gztar
cd "$tmp"
sha256sum -c build/meson-dist/*.sha256sum >/dev/null 2>&1 || (cd build/meson-dist && sha256sum -c ./*.sha256sum)
rm -rf tree
tar -xf build/meson-dist/libvu-*.tar.gz
mkdir bin
printf '#!/bin/sh\nexit 127\n' >bin/git
chmod +x bin/git
export PATH="$tmp/bin:$PATH"
alone=
unshare -n true 2>/dev/null && alone="unshare -n"
[ -n "$alone" ] || { unshare -rn true 2>/dev/null && alone="unshare -rn"; }
cd libvu-*/
quietly $alone meson setup build -Dtests=enabled
quietly $alone ninja -C build
quietly $alone meson test -C build --no-rebuild --suite unit --suite lint --suite abi --no-suite slow --no-suite long \
	--timeout-multiplier 5
grep -E '^(Ok|Skipped):' "$tmp/log"
echo "${alone:+without a network, }without git"
