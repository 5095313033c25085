#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The main checks with QEMU 10, which speaks more of the protocol than Debian 12's own."""

import functools

from blk import file_system
from blk_verify import DISK, verified, verifier, verify
from lib import Image, VhostUser, main, only_long
from rng import known_bytes, read_from_guest


@only_long
def test_qemu10(t):
    file_system(t, functools.partial(t.qemu, qemu=t.newer_qemu), queues=2, num_queues=4)


def test_qemu10_verify(t):
    """A verified disk and an entropy device in one guest."""
    program, image = t.newer_qemu, Image(t.path("image"), DISK)
    served = known_bytes(t.path("source"))
    with t.backend("vu-blk", f"--blk-file={image.path}", "--num-queues=2") as blk, \
         t.backend("vu-rng", f"--source={t.path('source')}") as rng, \
         t.qemu(VhostUser("blk", blk, num_queues=2), VhostUser("rng", rng), qemu=program,
                **verifier(t)) as guest:
        with t.check("qemu10_guest_verifies_its_disk"):
            verified(t, verify(t, guest, 5), 5)
        read_from_guest(t, guest, "qemu10", served)


if __name__ == "__main__":
    main()
