#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-gpu's Vulkan under an unmodified kernel: memory of the host's is seen in the guest.

No Debian package has a Vulkan driver for guests that speaks the protocol of Debian 12's virglrenderer: guest-venus
asks by itself.
"""

import re
import subprocess
import time

from lib import Control, Generic, Skip, main, patience

from gpu import device


def need_vulkan(t):
    """At the host; else it says what is missing before it says that this is no socket."""
    said = subprocess.run([t.program("vu-gpu"), "--venus", "--fd=0"], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False).stderr
    why = re.search(r"--venus: (.*)", said)
    if why:
        raise Skip(why[1])


def test_qemu11(t):
    need_vulkan(t)
    with device(t, "--headless", "--venus") as back_end, \
         t.qemu(Generic("gpu", back_end, queues=2, config_size=20), qemu=t.newest_qemu,
                programs=[t.program("guest-venus")]) as guest, \
         Control(t.path("control")) as control:
        with t.check("qemu11_driver_finds_kinds_of_contexts_and_the_region_for_blobs"):
            said = guest.run("dmesg | grep drm").text
            assert "+context_init" in said and "+host_visible" in said.replace(" visible", "_visible"), said
        job = guest.start("guest-venus")
        with t.check("qemu11_host_and_guest_write_to_the_same_memory"):
            job.wait_line(rb"^0: vulkan 1\.\d")
            assert "blobs mapped 1" in control.say("state")
        with t.check("qemu11_memory_is_the_same_after_a_pause"):
            guest.qmp("stop")
            guest.qmp("cont")
            job.write(b"again\n")
            job.wait_line(rb"^1: vulkan 1\.\d")
        with t.check("qemu11_memory_goes_with_the_program"):
            job.write(b"end\n")
            job.wait()
            # The guest's kernel does not wait for what it asks for then.
            limit = patience.end()
            while "blobs mapped 0" not in control.say("state"):
                assert time.monotonic() < limit, control.say("state")
                time.sleep(0.05)


if __name__ == "__main__":
    main()
