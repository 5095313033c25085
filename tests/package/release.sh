#!/bin/sh
# SPDX-License-Identifier: MIT
# The Debian packages on a release of it: built, looked at by its lintian, installed in a bare one, tried, and
# removed again: release.sh ROOT SUITE      for one that is not this machine's own, too
set -eu
root=$1 suite=$2
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
unset DESTDIR CC CXX CFLAGS LDFLAGS MAKEFLAGS LD_LIBRARY_PATH
[ "$(id -u)" = 0 ] || { echo "skipped: debootstrap and chroot are for root"; exit 77; }
command -v debootstrap >/dev/null || { echo "skipped: no debootstrap (scripts/setup package)"; exit 77; }
# Mounts and processes of its own: none is left, however it ends.
if [ $# = 2 ]; then
	unshare -m -p --fork --mount-proc true 2>/dev/null || { echo "skipped: this machine lets nobody mount"; exit 77; }
	tmp=$(mktemp -d)
	trap 'rm -rf --one-file-system "$tmp"' EXIT
	trap 'exit 1' HUP INT TERM
	unshare -m -p --fork --kill-child --mount-proc "$0" "$root" "$suite" "$tmp"
	exit
fi
tmp=$3
mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
	sed -En 's,^(URIs:|deb( \[[^]]*\])?)[[:space:]]+([^[:space:]]+/debian)/?([[:space:]].*)?$,\3,p' | head -n 1)

quietly() { "$@" >"$tmp/log" 2>&1 || { tail -n 60 "$tmp/log"; echo "failed: $*"; exit 1; }; }
within() { # within TREE COMMAND
	quietly chroot "$tmp/$1" /bin/sh -ec "$2"
}
install="apt-get -q -y --no-install-recommends -o APT::Sandbox::User=root -o Dpkg::Options::=--force-confold"

debootstrap --variant=minbase "$suite" "$tmp/bare" "${mirror:-http://deb.debian.org/debian}" >"$tmp/log" 2>&1 || {
	tail -n 3 "$tmp/log"
	echo "skipped: debootstrap does not get $suite"
	exit 77
}
# How this machine reaches its mirror.
apt-config dump | grep -E '^Acquire::https?::' >"$tmp/bare/etc/apt/apt.conf.d/90as-here" || true
cp -a "$tmp/bare" "$tmp/builder"
for tree in bare builder; do
	mount -t proc proc "$tmp/$tree/proc"
	cp /etc/resolv.conf /etc/hosts "$tmp/$tree/etc/" 2>/dev/null || true
	within $tree "apt-get -q update"
done

mkdir -p "$tmp/builder/build/tree"
python3 "$root/tests/lint/sources.py" "$root" | tar -C "$root" --null -T - -cf - | tar -C "$tmp/builder/build/tree" -xf -
within builder "$install install dpkg-dev fakeroot lintian"
within builder "cd /build/tree && $install build-dep ./"
within builder "cd /build/tree && DEB_BUILD_PROFILES=nocheck DEB_BUILD_OPTIONS='nocheck parallel=$(nproc)' dpkg-buildpackage -us -uc -b"
echo "$suite: built with $(chroot "$tmp/builder" gcc -dumpfullversion), $(ls "$tmp"/builder/build/*.deb | wc -l) packages"
within builder "cd /build && lintian --allow-root --fail-on error *.changes"
echo "$suite: lintian has no error"

# A part that was not built would depend on less.
depends=$(dpkg-deb -f "$tmp"/builder/build/vu-devices_*.deb Depends)
for library in libasound libevdev libgpiod libpipewire-0.3 libpixman-1 libpng16 libsndfile liburing libvirglrenderer; do
	case $depends in *$library*) ;; *) echo "vu-devices has nothing of $library: it depends on $depends"; exit 1 ;; esac
done
echo "$suite: vu-devices depends on $depends"

mkdir "$tmp/bare/debs"
cp "$tmp"/builder/build/*.deb "$tmp/bare/debs"
rm -f "$tmp"/bare/debs/*dbgsym*
cp -r "$tmp/builder/build/tree/debian/tests" "$tmp/bare/debs"
within bare "$install install gcc libc6-dev pkg-config python3-minimal"
within bare "$install install /debs/*.deb"
for test in compile serve python; do
	within bare "mkdir /tmp/$test && AUTOPKGTEST_TMP=/tmp/$test /debs/tests/$test"
	tail -n 1 "$tmp/log"
done
within bare "apt-get -q -y purge \$(for deb in /debs/*.deb; do dpkg-deb -f \$deb Package; done)"
left=$(find "$tmp/bare" -xdev -path "$tmp/bare/debs" -prune -o -path "$tmp/bare/tmp" -prune -o \
	\( -name '*libvu*' ! -name '*libvulk*' -o -name 'vu-*' -o -name '*[Vv]u[Gg]lib*' \) -print)
[ -z "$left" ] || { echo "left behind: $left"; exit 1; }
echo "$suite: removed, nothing is left"
