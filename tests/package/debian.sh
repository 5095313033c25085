#!/bin/sh
# SPDX-License-Identifier: MIT
# Packages as a builder of a distribution makes them: debian.sh ROOT
# Twice, in folders of other names and at other times of day; the packages are the same, bit by bit.
set -eu
root=$1
for tool in dpkg-buildpackage dh lintian fakeroot; do
	command -v $tool >/dev/null || { echo "skipped: no $tool (scripts/setup package)"; exit 77; }
done
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
unset CC CXX CFLAGS LDFLAGS MAKEFLAGS MESON_TESTTHREADS DESTDIR LD_LIBRARY_PATH
# The distribution's programs, whatever else is on the machine.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
# The tests of this folder's build need not run in those.
export DEB_BUILD_PROFILES=nocheck DEB_BUILD_OPTIONS="nocheck parallel=$(nproc)"

say() { printf '%s\n' "$*"; }
fail() { say "$*"; exit 1; }

# unpack FOLDER: the project's files, and the source as it is released beside them
unpack() {
	mkdir -p "$tmp/$1/tree"
	tar -C "$tmp/$1/tree" -xf "$tmp/files.tar"
	version=$(cd "$tmp/$1/tree" && dpkg-parsechangelog -S Version | sed 's/-[^-]*$//')
	tar -C "$tmp/$1" --exclude=tree/debian --sort=name --mtime=@0 --owner=0 --group=0 \
		-czf "$tmp/$1/libvu_$version.orig.tar.gz" tree
}

build() { # build FOLDER [options]
	folder=$1
	shift
	unpack "$folder"
	(cd "$tmp/$folder/tree" && dpkg-buildpackage -us -uc "$@") >"$tmp/$folder.log" 2>&1 ||
		{ tail -n 60 "$tmp/$folder.log"; fail "dpkg-buildpackage $* failed"; }
}

# has PACKAGE PATTERN...: files that a package must have
has() {
	package=$1
	shift
	dpkg-deb -c "$tmp"/one/"$package"_*.deb >"$tmp/list"
	for pattern; do
		grep -Eq " \./$pattern( -> .*)?\$" "$tmp/list" || { cat "$tmp/list"; fail "$package has no $pattern"; }
	done
}

# There is no bug of a distribution's that a first upload could close.
lint() {
	lintian --fail-on error,warning --suppress-tags initial-upload-closes-no-bugs "$tmp"/one/*.changes
}

python3 "$root/tests/lint/sources.py" "$root" | tar -C "$root" --null -T - -cf "$tmp/files.tar"
build one
has libvu0 'usr/lib/[^/]*/libvu\.so\.0' 'usr/lib/[^/]*/libvu\.so\.0\.1\.0'
has libvu-dev usr/include/libvu/vu.h 'usr/lib/[^/]*/libvu\.(so|a)' 'usr/lib/[^/]*/pkgconfig/libvu.pc' \
	usr/include/libvu-testing/testing.h 'usr/lib/[^/]*/libvu-testing\.a' 'usr/lib/[^/]*/pkgconfig/libvu-testing.pc'
has libvu-tools usr/bin/vu-bench usr/bin/vu-trace usr/share/man/man1/vu-trace.1.gz
has vu-devices usr/share/man/man1/vu-fs.1.gz usr/share/zsh/vendor-completions/_vu-fs \
	usr/share/bash-completion/completions/vu-fs usr/share/fish/vendor_completions.d/vu-fs.fish
has vu-devices '(usr/)?lib/systemd/system/vu-rng@\.service' '(usr/)?lib/systemd/system/vu-rng@\.socket'
has vu-devices usr/bin/vu-rng usr/bin/vu-blk usr/bin/vu-fs usr/share/qemu/vhost-user/50-vu-blk.json
has libvu-glib0 'usr/lib/[^/]*/libvu-glib\.so\.0'
has libvu-glib-dev usr/include/libvu-glib/vu-glib.h usr/share/gir-1.0/VuGlib-0.1.gir
has gir1.2-vuglib-0.1 'usr/lib/[^/]*/girepository-1.0/VuGlib-0.1.typelib'
has python3-libvu 'usr/lib/python3/dist-packages/pylibvu/_vu\.abi3\.so' 'usr/lib/python3/dist-packages/pylibvu/_peer\.abi3\.so'
dpkg-deb --ctrl-tarfile "$tmp"/one/libvu0_*.deb | tar -xOf - ./symbols >"$tmp/symbols"
grep -q '^ vu_device_new@LIBVU_0.1 0.1$' "$tmp/symbols" || { cat "$tmp/symbols"; fail "no symbols"; }
# A part that was not built would depend on less.
depends=$(dpkg-deb -f "$tmp"/one/vu-devices_*.deb Depends)
for library in 'libvu0 (' libasound libevdev libgpiod libpipewire libpixman libpng libsndfile liburing libvirglrenderer; do
	case $depends in *"$library"*) ;; *) fail "vu-devices does not depend on $library: $depends" ;; esac
done
say "the packages have their files"
lint || fail "lintian complains"
say "lintian is content"

# The packages' own tests, with them installed on a /usr that nobody else sees and that is gone afterwards.
installed_tests() {
	mkdir "$tmp/over"
	unshare -m sh -ec '
		mount -t tmpfs tmpfs "$1/over"
		mkdir "$1/over/upper" "$1/over/work" "$1/over/test"
		mount -t overlay overlay -o "lowerdir=/usr,upperdir=$1/over/upper,workdir=$1/over/work" /usr
		for package in "$1"/one/*.deb; do
			case $package in *dbgsym*) continue ;; esac
			dpkg-deb --fsys-tarfile "$package" | tar -C / --keep-directory-symlink -xf - ./usr
		done
		export AUTOPKGTEST_TMP="$1/over/test"
		for test in compile serve python; do
			"$1/one/tree/debian/tests/$test" >"$1/said" 2>&1 || { cat "$1/said"; echo "debian/tests/$test failed"; exit 1; }
		done' sh "$tmp"
}
if unshare -m true 2>/dev/null; then
	installed_tests || exit 1
	say "a program was compiled, a disk served, and Python found its module, with the packages installed"
else
	say "not root: the packages were not installed"
fi

TZ=Asia/Tokyo build another-folder -b
for package in "$tmp"/one/*.deb; do
	cmp "$package" "$tmp/another-folder/${package##*/}" || {
		! command -v diffoscope >/dev/null || diffoscope "$package" "$tmp/another-folder/${package##*/}" | head -n 60
		fail "${package##*/} differs when it is built again"
	}
done
say "built again, they are the same: $(ls "$tmp"/one/*.deb | wc -l) packages"
