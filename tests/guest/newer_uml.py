#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""User-mode Linux 7.2 of a newer suite: its virtio has IN_ORDER, which Debian 12's has not."""

import functools

from blk import disk, file_system
from blk_verify import DISK, verified, verifier, verify
from lib import Image, VhostUser, main

IN_ORDER, RING_PACKED = 35, 34


def test_uml7(t):
    file_system(t, functools.partial(t.uml, linux=t.newer_uml))


def test_uml7_in_order(t):
    linux, image = t.newer_uml, Image(t.path("image"), DISK)
    with disk(t, image, "--in-order") as blk, \
         t.uml(VhostUser("blk", blk), linux=linux, **verifier(t)) as guest:
        with t.check("uml7_guest_uses_its_ring_in_order"):
            bits = guest.run("cat /sys/block/vda/device/features").text
            assert bits[IN_ORDER] == "1", f"the features are {bits}"
            t.say("the ring is " + ("packed" if bits[RING_PACKED] == "1" else "split"))
        with t.check("uml7_disk_in_order_holds_what_was_written"):
            verified(t, verify(t, guest, 5), 5)


if __name__ == "__main__":
    main()
