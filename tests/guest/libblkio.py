#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-blk with a third front-end that is no guest at all: libblkio, of a newer Debian."""

import os
import shutil
import subprocess

from lib import GuestError, Image, Skip, main

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../interop/blkio.c")
QUEUES = 4


def build(t):
    """The test program; where to find the library at run time."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        raise Skip("no C compiler")
    tree = t.packages("trixie", "libblkio-dev", "libblkio1")
    libraries = f"{tree}/usr/lib/x86_64-linux-gnu"
    done = subprocess.run([compiler, "-Wall", "-Werror", f"-I{tree}/usr/include", SOURCE,
                           f"-L{libraries}", "-lblkio", f"-Wl,-rpath,{libraries}",
                           "-o", t.path("blkio")], capture_output=True, text=True, check=False)
    if done.returncode:
        raise GuestError(f"blkio.c does not compile:\n{done.stderr[-1500:]}")
    return t.path("blkio")


def test_libblkio(t):
    program, image = build(t), Image(t.path("image"), 64)
    with t.backend("vu-blk", f"--blk-file={image.path}", f"--num-queues={QUEUES}") as blk:
        with t.check("libblkio_writes_reads_zeroes_and_discards_on_four_queues"):
            done = subprocess.run([program, blk.socket, str(QUEUES)], capture_output=True,
                                  text=True, check=False)
            if done.returncode:
                raise GuestError(f"status {done.returncode}: {done.stdout}{done.stderr}"
                                 f"\n{blk.tail()}")
            t.say(done.stdout.strip())
        with t.check("libblkio_left_holes_where_it_discarded"):
            assert image.allocated() < 39 << 20, f"{image.allocated()} bytes of the image are used"


if __name__ == "__main__":
    main()
