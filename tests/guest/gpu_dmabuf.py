#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-gpu --dmabuf under a kernel that has udmabuf: inside of a guest, with the test peer as its front-end and display.

Debian 12's kernel has no udmabuf, Debian 13's has.
"""

import os

from lib import Skip, main
from lib.newer_kernel import NewerKernel


def test_udmabuf(t):
    test = os.path.join(t.build, "tests", "gpu", "test_gpu_udmabuf")
    if not os.path.exists(test):
        raise Skip("test_gpu_udmabuf was not built")
    with t.machine(NewerKernel, programs=[test, t.program("vu-gpu")], memory=512) as guest:
        with t.check("a_display_that_maps_a_dma_buf_of_vu-gpu_sees_the_picture"):
            # A root that vu-gpu's namespace may leave, which an initramfs is not.
            guest.run("[ -c /dev/udmabuf ] && mkdir -p /tmp && mount --rbind / /mnt")
            said = guest.run("VU_GPU=/host/vu-gpu chroot /mnt /host/test_gpu_udmabuf 2>&1", check=False, work=60)
            assert not said.status and "PASSED" in said.text, said.text[-4000:]
            t.say(said.text.split("\n")[-1])


if __name__ == "__main__":
    main()
