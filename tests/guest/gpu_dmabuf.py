#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-gpu --dmabuf under a kernel that has udmabuf: inside of a guest, with the test peer as its front-end and display.

Debian 12's kernel has no udmabuf, Debian 13's has.  And QEMU takes what it is told, where it can show nothing of it:
its displays with OpenGL want a render node.
"""

import os
import re

from lib import Control, Skip, VhostUser, main
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


def told(control):
    """How many updates the display has read, but for the last, and all bytes that it was sent."""
    return [int(n) for n in re.search(r"^display updates (\d+) bytes (\d+)$", control.say("state"), re.M).groups()]


def test_qemu10(t):
    program = os.path.join(t.build, "tests", "gpu", "vu-gpu-shares")
    if not os.path.exists(program):
        raise Skip("vu-gpu-shares was not built")
    back_end = t.peer("gpu", program, "--socket-path={socket}", "--dmabuf", f"--control={t.path('control')}")
    with back_end, t.qemu(VhostUser("gpu", back_end), qemu=t.newer_qemu) as guest, \
         Control(t.path("control")) as control:
        with t.check("qemu_has_read_each_update_of_a_dma-buf_before_it_is_told_the_next"):
            for _ in range(5):
                before, _ = told(control)
                guest.run("echo a line >/dev/tty0")
                while told(control)[0] <= before:
                    guest.run("echo a line >/dev/tty0")
            updates, sent = told(control)
            assert updates > 5 and sent < 200 * updates, (updates, sent)
            t.say(f"{updates} updates, {sent} bytes")


if __name__ == "__main__":
    main()
