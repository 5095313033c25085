#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""QEMU 11: a guest has the host's files in its own memory, and asks for nothing to read and write them.

QEMU's file system device has no window, its generic one has.
"""

import hashlib
import os
import tempfile

from lib import Generic, main

MIB = 1 << 20
WINDOW, LEN = 8, 12  # MiB: ranges have to be taken away for others


def see_each_other(guest, path):
    job = guest.start("guest-mapped /mnt/file")
    job.wait_line(rb"^mapped$")
    with open(path, "r+b") as file:
        file.write(b"H")
    job.wait_line(rb"^seen$")
    job.wait()
    with open(path, "rb") as file:
        assert file.read(2) == b"HG", "what the guest wrote"


def test_window(t):
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="libvu-fs-share-") as share:
        path = os.path.join(share, "file")
        content = os.urandom(LEN * MIB)
        with open(path, "wb") as file:
            file.write(content)
        with t.backend("vu-fs", f"--shared-dir={share}", "--tag=fs", f"--dax-window={WINDOW}M") as fs, \
             t.qemu(Generic("fs", fs, queues=2, vq_size=128, config_size=40), qemu=t.newest_qemu,
                    programs=[t.program("guest-mapped")]) as guest:
            with t.check("qemu11_guest_mounts_with_dax_and_reads_more_than_its_window_holds"):
                guest.run("mount -t virtiofs -o dax=always fs /mnt")
                guest.wait_console(rb"Cache len: 0x800000")
                said = guest.run("sha256sum </mnt/file").text.split()[0]
                assert said == hashlib.sha256(content).hexdigest(), said
            with t.check("qemu11_host_writes_show_up_in_the_guests_mapping_and_the_other_way_round"):
                see_each_other(guest, path)
            with t.check("qemu11_guest_mounts_again_and_only_files_that_fill_ranges_are_mapped"):
                guest.run("umount /mnt && mount -t virtiofs fs /mnt && echo short >/mnt/short")
                assert guest.run("cat /mnt/short").text == "short"
                see_each_other(guest, path)
            guest.run("umount /mnt")


if __name__ == "__main__":
    main()
