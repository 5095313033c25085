#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""QEMU 11: memory of the device's that guests see in a PCI BAR, and doorbells in a page of its own."""

import os
import signal
import time

from lib import Generic, GuestDied, Skip, VhostUser, main, patience
from python_rng import python

HERE = os.path.dirname(os.path.abspath(__file__))
MIB, PAGE = 1 << 20, 4096


def device(t, kind):
    return t.peer(kind, *python(t), f"{HERE}/programs/shmem_device.py", "{socket}", kind)


def wait_said(backend, text, times=1):
    limit = patience.end()
    while True:
        with open(backend.log, encoding="utf-8", errors="replace") as file:
            if file.read().count(text) >= times:
                return
        assert time.monotonic() < limit, f"no {text!r}: {backend.tail()}"
        time.sleep(0.05)


def window(guest):
    """Where the guest has the device's region 1, page 8."""
    for line in guest.run("cat /sys/bus/virtio/devices/virtio0/../resource").text.splitlines():
        start, end = (int(word, 16) for word in line.split()[:2])
        if start and end - start + 1 == 2 * MIB:
            return start + MIB + 8 * PAGE
    raise AssertionError("no BAR of 2 MiB")


def peek(guest, address):
    return int(guest.run(f"devmem {address:#x} 32").text, 16)


def test_window(t):
    """Without a reboot: QEMU 11.1.3 itself dies in one while something is mapped, and seldom when the driver goes, too."""
    hello = int.from_bytes(b"Hell", "little")
    with device(t, "window") as back_end, \
         t.qemu(Generic("balloon", back_end, queues=2, config_size=8), qemu=t.newest_qemu,
                cmdline="iomem=relaxed") as guest:
        with t.check("qemu11_guest_sees_what_the_device_has_mapped"):
            wait_said(back_end, "mapped")
            at = window(guest)
            assert peek(guest, at) == hello, hex(peek(guest, at))
        with t.check("qemu11_device_sees_what_the_guest_writes_there"):
            guest.run(f"devmem {at + PAGE:#x} 32 0x12345678")
            wait_said(back_end, "the guest wrote 0x12345678")
        with t.check("qemu11_a_pause_ends_with_the_mapping_there"):
            guest.qmp("stop")
            guest.qmp("cont")
            wait_said(back_end, "lost")
            wait_said(back_end, "mapped", 2)
            assert peek(guest, window(guest)) == hello
        with t.check("qemu11_a_driver_that_comes_again_has_the_mapping_again"):
            try:
                guest.run("cd /sys/bus/virtio/drivers/virtio_balloon && echo virtio0 >unbind && "
                          "echo virtio0 >bind")
            except GuestDied as error:
                if f"status {-signal.SIGSEGV}" not in str(error):
                    raise
                raise Skip("QEMU itself died of it, as it does in a reboot") from error
            wait_said(back_end, "lost", 2)
            wait_said(back_end, "mapped", 3)
            assert peek(guest, window(guest)) == hello


def test_doorbell(t):
    with device(t, "doorbell") as back_end, \
         t.qemu(VhostUser("rng", back_end, page_per_vq="on"), qemu=t.newest_qemu) as guest:
        with t.check("qemu11_guest_is_served_by_a_device_whose_doorbell_rings_nowhere"):
            wait_said(back_end, "mapped")
            data = guest.run("dd if=/dev/hwrng bs=64 count=16 iflag=fullblock 2>/dev/null").output
            assert len(data) == 1024 and len(set(data)) > 100, f"{len(data)} bytes"


if __name__ == "__main__":
    main()
