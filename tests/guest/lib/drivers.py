# SPDX-License-Identifier: MIT
"""Virtio drivers that Debian's kernels leave out, built as modules from Debian's own kernel source.

Nothing is changed in them: some files of the package linux-source-X.Y, compiled against the headers
of the very kernel that is booted.  Some seconds, after 150 MB of packages.
"""

import os
import re
import subprocess

from .errors import Skip
from .fetch import OwnPackages, Packages, set_interpreter
from .store import first_error, needed


class Drivers:
    """Of a kernel of this machine's release."""

    sources = {  # of each module
        "i2c_virtio": ["drivers/i2c/busses/i2c-virtio.c"],
        "gpio_virtio": ["drivers/gpio/gpio-virtio.c"],
    }
    kbuild = ""  # what their Makefiles say beside which they are
    make = []  # more arguments

    def __init__(self, store, release):
        self.store, self.release = store, release

    def packages(self, *names):
        return OwnPackages(*names)

    def prepare(self, tree):
        """For headers that do not work as they are."""

    def folder(self):
        """The folder with the modules; raises Skip where they cannot be had."""
        label = f"drivers-{self.release}"
        if self.store.find(label):
            return self.store.find(label)
        if not self.store.may_fetch:
            raise Skip(f"kernel {self.release} comes without {', '.join(self.sources)}; --fetch builds them")
        needed("make", "xz")
        return self.store.make(label, label, self._build)

    def _build(self, work):
        headers = self.packages(f"linux-headers-{self.release}").unpack(self.store, f"{work}/headers")
        made = f"{work}/drivers-{self.release}"
        os.mkdir(made)
        self._take_sources(".".join(self.release.split(".")[:2]), work, made)
        with open(f"{made}/Kbuild", "w", encoding="utf-8") as kbuild:
            objects = [os.path.basename(files[0])[:-1] + "o" if len(files) == 1 else f"{name}.o"
                       for name, files in self.sources.items()]
            kbuild.write(f"obj-m := {' '.join(objects)}\n{self.kbuild}")
        tree = f"{headers}/usr/src/linux-headers-{self.release}"
        replace(f"{tree}/Makefile", "/usr/src", f"{headers}/usr/src")
        self.prepare(headers)
        self.store.say(f"building {', '.join(self.sources)} for {self.release}")
        if self.store.run("building modules", ["make", "-C", tree, f"M={made}", *self.make, "modules"], f"{made}/log"):
            raise Skip(f"the modules for {self.release} cannot be built: {first_error(f'{made}/log')}")
        return made

    def _take_sources(self, series, work, made):
        package = self.packages(f"linux-source-{series}")
        paths = [path for files in self.sources.values() for path in files]
        self.store.say(f"fetching {package.names[0]}, for {len(paths)} files of it")
        os.mkdir(f"{work}/source")
        for deb in package.fetch(self.store, f"{work}/source"):
            if os.path.basename(deb).startswith("linux-source"):
                unpack_source(deb, series, work, paths)
        for path in paths:
            os.rename(f"{work}/linux-source-{series}/{path}", f"{made}/{os.path.basename(path)}")


class NewestDrivers(Drivers):
    """Of the kernel of sid, by this machine's compiler."""

    sources = {
        "virtio_can": ["drivers/net/can/virtio_can.c"],
        "spi_virtio": ["drivers/spi/spi-virtio.c"],
        "virtio_rtc": [f"drivers/virtio/virtio_rtc_{part}"
                       for part in ("driver.c", "ptp.c", "class.c", "internal.h")],
    }
    kbuild = """\
virtio_rtc-y := virtio_rtc_driver.o virtio_rtc_ptp.o virtio_rtc_class.o
ccflags-y := -DCONFIG_VIRTIO_RTC_PTP=1 -DCONFIG_VIRTIO_RTC_CLASS=1
"""
    make = ["CC=gcc"]
    # What an older compiler does not know, and changes no layout.
    unknown = ["CC_HAS_MIN_FUNCTION_ALIGNMENT", "CC_HAS_COUNTED_BY", "CC_HAS_COUNTED_BY_PTR",
               "CC_HAS_MULTIDIMENSIONAL_NONSTRING", "CC_HAS_ASSUME"]
    tools = ["scripts/mod/modpost.real-lsb-64", "scripts/genksyms/genksyms",
             "tools/objtool/objtool.real-x86"]

    def packages(self, *names):
        return Packages("sid", *names)

    def prepare(self, tree):
        config = f"{tree}/usr/src/linux-headers-{self.release}/include"
        for option in self.unknown:
            replace(f"{config}/generated/autoconf.h", rf"#define CONFIG_{option} .*\n", "")
            replace(f"{config}/config/auto.conf", rf"CONFIG_{option}=.*\n", "")
        # wants pahole; the kernel's own structures stay as they are
        replace(f"{config}/config/auto.conf", r"CONFIG_DEBUG_INFO_BTF_MODULES=.*\n", "")
        # Its tools need the C library of sid: QEMU 11, which these modules are for, has brought it.
        library = Packages("sid", "qemu-system-x86", whole=True).tree(self.store)
        kbuild = "linux-kbuild-" + re.sub(r"-[^-]*$", "", self.release)
        for tool in self.tools:
            set_interpreter(library, f"{tree}/usr/lib/{kbuild}/{tool}")


def replace(path, pattern, text):
    with open(path, encoding="utf-8") as file:
        said = re.sub(pattern, text, file.read())
    with open(path, "w", encoding="utf-8") as file:
        file.write(said)


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
