#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The disk's checks again, with packed rings: no device knows of them."""

import contextlib

from blk import disk, file_system
from blk_verify import DISK, verified, verifier, verify
from lib import Image, VhostUser, main

RING_PACKED = 34


def test_qemu_packed(t):
    file_system(t, t.qemu, queues=2, num_queues=4, packed="on")


def test_qemu_packed_verify(t):
    """Verified, also without the features that change what a packed ring looks like."""
    kinds = {"vda": {}, "vdb": {"event_idx": "off"}, "vdc": {"indirect_desc": "off"}}
    images = [Image(t.path(name), DISK) for name in kinds]
    with contextlib.ExitStack() as stack:
        devices = [VhostUser("blk", stack.enter_context(disk(t, image)), num_queues=1,
                             packed="on", **props)
                   for image, props in zip(images, kinds.values())]
        guest = stack.enter_context(t.qemu(*devices, **verifier(t)))
        with t.check("qemu_packed_guest_uses_packed_rings"):
            for name in kinds:
                bits = guest.run(f"cat /sys/block/{name}/device/features").text
                assert bits[RING_PACKED] == "1", f"{name} has the features {bits}"
        for name, props in kinds.items():
            what = "".join(f"_without_{prop}" for prop in props)
            with t.check(f"qemu_packed_disk{what}_holds_what_was_written"):
                verified(t, verify(t, guest, 3, name), 3)


if __name__ == "__main__":
    main()
