# SPDX-License-Identifier: MIT
"""A disk with a root file system for vu.root= of init.sh, made without root's rights."""

import os
import shutil
import subprocess

from .errors import Skip
from .initramfs import INIT

FOLDERS = ("bin", "dev", "proc", "sys", "tmp", "mnt", "run", "root", "host", "modules")


def fill(path, scratch, add=None):
    """Makes an ext4 in the file `path`, of what init.sh needs; `scratch` is a folder that is made for it.

    `add` is called with the folder, and puts more there.
    """
    mke2fs = shutil.which("mke2fs", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    busybox = shutil.which("busybox") or "/bin/busybox"
    if not mke2fs or not os.path.exists(busybox):
        raise Skip("no mke2fs or no busybox: run scripts/setup guest (Debian packages e2fsprogs, busybox-static)")
    os.mkdir(scratch)
    if add:
        add(scratch)
    for name in FOLDERS:
        os.makedirs(f"{scratch}/{name}", exist_ok=True)
    shutil.copy(busybox, f"{scratch}/bin/busybox")
    os.symlink("busybox", f"{scratch}/bin/sh")
    shutil.copy(INIT, f"{scratch}/init")
    os.chmod(f"{scratch}/init", 0o755)
    for name in ("modules/list", "root-disk"):
        with open(f"{scratch}/{name}", "wb"):
            pass
    subprocess.run([mke2fs, "-q", "-F", "-t", "ext4", "-d", scratch, path], check=True)
