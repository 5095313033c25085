#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The demo's second half: a real guest uses two of our devices, and the host checks its work."""

import hashlib
import os
import subprocess

from lib import Image, VhostUser, main

DISK = 256  # MiB
FILE = 32


def hexdump(data):
    return "\n".join("    " + data[at:at + 16].hex(" ") + "  " +
                     "".join(chr(b) if 32 <= b < 127 else "." for b in data[at:at + 16])
                     for at in range(0, len(data), 16))


def entropy(t, guest):
    with t.check("a_real_kernel_reads_entropy_from_forty_lines_of_c"):
        current = guest.run("cat /sys/class/misc/hw_random/rng_current").text
        assert current.startswith("virtio_rng"), f"rng_current is {current!r}"
        got = guest.run("dd if=/dev/hwrng bs=4096 count=16 iflag=fullblock 2>/dev/null").output
        values = len(set(got))
        assert len(got) == 65536 and values == 256, f"{len(got)} bytes, {values} different values"
        t.say(f"the guest calls minimal-rng {current}; 64 KiB of its /dev/hwrng begin with")
        print(hexdump(got[:32]), flush=True)


def write(t, guest):
    """The SHA-256 of the file, as the guest computed it."""
    digest = None
    with t.check("a_real_kernel_makes_a_file_system_on_our_disk_and_writes_a_file"):
        serial = guest.run("cat /sys/block/vda/serial").text
        t.say(f"the guest calls vu-blk /dev/vda, serial {serial}")
        guest.run("mke2fs -q -t ext4 /dev/vda && mount /dev/vda /mnt")
        t.say(f"ext4 is on it, and mounted; the guest writes {FILE} MiB of random bytes")
        digest = guest.run(f"dd if=/dev/urandom of=/mnt/file bs=1M count={FILE} 2>/dev/null && "
                           "sync && echo 3 >/proc/sys/vm/drop_caches && sha256sum </mnt/file").text.split()[0]
        t.say(f"SHA-256 in the guest:  {digest}")
        t.say("written: " + ", ".join(guest.run("df -h /mnt | tail -n 1").text.split()[1:3]))
        guest.run("umount /mnt")
    return digest


def compare(t, image, digest):
    with t.check("the_host_finds_a_clean_file_system_and_the_same_file_in_the_image"):
        image.fsck()
        t.say("the guest is gone; e2fsck is content with the image")
        on_host = hashlib.sha256(image.file("file")).hexdigest()
        t.say(f"SHA-256 on the host:   {on_host}")
        assert on_host == digest, "they differ"


def test_demo(t):
    image = Image(t.path("disk.img"), DISK)
    qemu = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True,
                          check=True).stdout.split("\n", maxsplit=1)[0]
    with t.backend("minimal-rng") as rng, \
         t.backend("vu-blk", f"--blk-file={image.path}", "--num-queues=2", "--serial=libvu") as blk:
        for device in (rng, blk):
            t.say(f"our device listens: {os.path.relpath(device.argv[0])}, process "
                  f"{device.process.pid}")
        t.say(f"the front-end is {qemu}")
        with t.qemu(VhostUser("rng", rng), VhostUser("blk", blk, num_queues=2), modules=["ext4"],
                    programs=["mke2fs"]) as guest:
            entropy(t, guest)
            digest = write(t, guest)
        compare(t, image, digest)


main()
