# SPDX-License-Identifier: MIT
"""Front-ends of newer Debian suites, run out of the cache folder."""

import glob
import os
import subprocess

from .errors import Skip
from .fetch import Packages, relocated, runner
from .store import version_key

LIBRARIES = "usr/lib/x86_64-linux-gnu"
QEMU = """\
export QEMU_MODULE_DIR={tree}/{libraries}/qemu
exec {start} {tree}/usr/bin/qemu-system-x86_64 -L {tree}/usr/share/qemu \\
	-L {tree}/usr/share/seabios "$@"
"""


def newer_qemu(store):
    """QEMU 10 of bookworm-backports; it takes what it can from the distribution's libraries."""
    if not os.path.exists("/usr/bin/qemu-system-x86_64"):
        raise Skip("the newer QEMU uses libraries of the distribution's: run scripts/setup guest")
    tree = Packages("bookworm-backports", "qemu-system-x86", "qemu-system-common",
                    "qemu-system-data", "seabios").tree(store)
    return _qemu(store, tree, f"env LD_LIBRARY_PATH={tree}/{LIBRARIES}")


def newest_qemu(store):
    """QEMU 11 of sid, with libraries of its own down to the C library and its loader."""
    tree = Packages("sid", "qemu-system-x86", whole=True).tree(store)
    return _qemu(store, tree, f"{tree}/usr/lib64/ld-linux-x86-64.so.2 "
                              f"--library-path {tree}/{LIBRARIES}")


def _qemu(store, tree, start):
    program = runner(tree, "qemu", QEMU.format(tree=tree, libraries=LIBRARIES, start=start))
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    if version.returncode:
        raise Skip(f"the QEMU in {tree} does not start: {version.stderr.strip()[:200]}")
    store.say(version.stdout.split("\n", maxsplit=1)[0])
    return program


def newer_uml(store):
    """User-mode Linux of sid: (program, folder of modules).  It brings its own C library."""
    tree = Packages("sid", "user-mode-linux", "libc6").tree(store)
    modules = sorted(glob.glob(f"{tree}/usr/lib/uml/modules/*"), key=version_key)
    if not modules:
        raise Skip("sid's user-mode-linux has no modules")
    return relocated(tree, "usr/bin/linux.uml"), modules[-1]
