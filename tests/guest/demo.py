#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The demo's second half: boots a real guest on the smallest device and shows what arrives."""

import os
import subprocess

from lib import VhostUser, main

BYTES = 65536


def hexdump(data):
    return "\n".join("    " + data[at:at + 16].hex(" ") + "  " +
                     "".join(chr(b) if 32 <= b < 127 else "." for b in data[at:at + 16])
                     for at in range(0, len(data), 16))


def test_demo(t):
    program = t.program("minimal-rng")
    qemu = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True,
                          check=True).stdout.split("\n", maxsplit=1)[0]
    with t.backend("minimal-rng") as device:
        t.say(f"our device listens: {os.path.relpath(program)}, process {device.process.pid}")
        t.say(f"the front-end is {qemu}")
        with t.qemu(VhostUser("rng", device)) as guest:
            with t.check("a_real_kernel_reads_entropy_from_our_device"):
                current = guest.run("cat /sys/class/misc/hw_random/rng_current").text
                assert current.startswith("virtio_rng"), f"rng_current is {current!r}"
                t.say(f"the guest's kernel calls our device {current} and reads /dev/hwrng:")
                got = guest.run(f"dd if=/dev/hwrng bs=4096 count={BYTES // 4096} iflag=fullblock"
                                " 2>/dev/null").output
                assert len(got) == BYTES, f"{len(got)} bytes instead of {BYTES}"
                values = len(set(got))
                assert values == 256, f"only {values} different byte values"
                print(hexdump(got[:64]), flush=True)
                t.say(f"... {BYTES} bytes in all, every one from that process, through rings in "
                      "memory that it shares with the guest")


main()
