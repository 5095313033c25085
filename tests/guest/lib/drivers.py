# SPDX-License-Identifier: MIT
"""Virtio drivers that Debian's kernels leave out, built as modules from Debian's own kernel source.

Nothing is changed in them: two files of the package linux-source-X.Y, compiled against the headers
of the very kernel that is booted.  Some seconds, after 150 MB of packages.
"""

import os
import subprocess

from .errors import Skip
from .fetch import OwnPackages
from .store import first_error, needed

SOURCES = {
    "i2c_virtio": "drivers/i2c/busses/i2c-virtio.c",
    "gpio_virtio": "drivers/gpio/gpio-virtio.c",
}


def folder(store, release):
    """The folder with the modules for a Debian kernel; raises Skip where they cannot be had."""
    label = f"drivers-{release}"
    if store.find(label):
        return store.find(label)
    if not store.may_fetch:
        raise Skip(f"kernel {release} comes without {', '.join(SOURCES)}; --fetch builds them")
    needed("make", "xz")
    return store.make(label, label, lambda work: _build(store, release, work))


def _build(store, release, work):
    headers = OwnPackages(f"linux-headers-{release}").unpack(store, f"{work}/headers")
    made = f"{work}/drivers-{release}"
    os.mkdir(made)
    _take_sources(store, ".".join(release.split(".")[:2]), work, made)
    with open(f"{made}/Kbuild", "w", encoding="utf-8") as kbuild:
        kbuild.write("obj-m := " + " ".join(os.path.basename(path)[:-1] + "o"
                                            for path in SOURCES.values()) + "\n")
    tree = f"{headers}/usr/src/linux-headers-{release}"
    with open(f"{tree}/Makefile", "r+", encoding="utf-8") as makefile:
        text = makefile.read().replace("/usr/src", f"{headers}/usr/src")
        makefile.seek(0)
        makefile.write(text)  # longer than it was
    store.say(f"building {', '.join(SOURCES)} for {release}")
    if store.run("building modules", ["make", "-C", tree, f"M={made}", "modules"], f"{made}/log"):
        raise Skip(f"the modules for {release} cannot be built: {first_error(f'{made}/log')}")
    return made


def _take_sources(store, series, work, made):
    package = OwnPackages(f"linux-source-{series}")
    store.say(f"fetching {package.names[0]}, for {len(SOURCES)} files of it")
    os.mkdir(f"{work}/source")
    for deb in package.fetch(store, f"{work}/source"):
        if os.path.basename(deb).startswith("linux-source"):
            unpack_source(deb, series, work, SOURCES.values())
    for path in SOURCES.values():
        os.rename(f"{work}/linux-source-{series}/{path}", f"{made}/{os.path.basename(path)}")


def unpack_source(deb, series, work, paths=None, leave_out=()):
    """Unpacks `paths`, or all, of the tarball in a package linux-source-X.Y below `work`."""
    name = f"linux-source-{series}"
    inner = [f"{name}/{path}" for path in paths] if paths else [name]
    script = ('dpkg-deb --fsys-tarfile "$1" | tar -xO "./usr/src/$2.tar.xz" | '
              'tar -C "$3" -xJ "${@:4}"')
    options = [f"--exclude={name}/{path}" for path in leave_out]
    done = subprocess.run(["bash", "-o", "pipefail", "-c", script, "unpack", deb, name, work,
                           *options, *inner], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Skip(f"cannot unpack {os.path.basename(deb)}: {done.stderr.strip()[-200:]}")
