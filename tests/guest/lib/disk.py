# SPDX-License-Identifier: MIT
"""A disk image as the host sees it: its size, its holes, its file system and the files in it."""

import os
import shutil
import subprocess

from .errors import GuestError, Skip

MIB = 1 << 20


class Image:
    """A sparse file of `mib` MiB; mind that a guest may have it mounted while we look."""

    def __init__(self, path, mib):
        self.path = path
        with open(path, "wb") as file:
            file.truncate(mib * MIB)

    def grow(self, mib):
        os.truncate(self.path, mib * MIB)

    def allocated(self):
        """Bytes of it that are not holes."""
        return os.stat(self.path).st_blocks * 512

    def read(self, offset, length):
        with open(self.path, "rb") as file:
            file.seek(offset)
            return file.read(length)

    def fsck(self):
        """Raises when e2fsck finds anything to complain about; the image is not changed."""
        done = _tool("e2fsck", "-f", "-n", self.path)
        if done.returncode:
            said = done.stdout.decode(errors="replace")[-1500:]
            raise GuestError(f"e2fsck ended with {done.returncode}:\n{said}")

    def file(self, name):
        """The content of a file in the image's ext4, which nobody may have mounted."""
        done = _tool("debugfs", "-R", f"cat {name}", self.path, stderr=subprocess.PIPE)
        said = done.stderr.decode(errors="replace").split("\n", maxsplit=1)[-1].strip()
        if done.returncode or said:
            raise GuestError(f"debugfs cannot read {name}: {said}")
        return done.stdout


def _tool(name, *args, stderr=subprocess.STDOUT):
    program = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not program:
        raise Skip(f"no {name}: run scripts/setup guest (Debian package e2fsprogs)")
    return subprocess.run([program, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=stderr, check=False)
