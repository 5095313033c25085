#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-rng under real kernels: what a guest reads from /dev/hwrng is what the device served."""

import random

from lib import VhostUser, main

WANTED = 16384
PIECE = 16  # shorter ones would be found by chance, and the driver has no smaller buffers


def known_bytes(path, size=4 << 20):
    """A source that repeats nothing, so that every piece of it has one place."""
    data = random.Random(4).randbytes(size)
    with open(path, "wb") as file:
        file.write(data)
    return data


def pieces_in_order(got, served):
    """Finds `got` as consecutive pieces of `served`; the kernel takes some bytes for itself.

    Returns the number of pieces; raises when a byte is not from there or comes out of order.
    """
    count = at = position = 0
    while at < len(got):
        found = served.find(got[at:at + PIECE], position)
        assert found >= 0, f"byte {at} of {len(got)}: not what the device served (piece {count})"
        length = 0
        while at + length < len(got) and got[at + length:at + length + 1] == \
                served[found + length:found + length + 1]:
            length += 1
        count, at, position = count + 1, at + length, found + length
    return count


def read_hwrng(guest, size):
    result = guest.run(f"dd if=/dev/hwrng bs=256 count={size // 256} iflag=fullblock 2>/dev/null")
    assert len(result.output) == size, f"{len(result.output)} bytes instead of {size}"
    return result.output


def read_from_guest(t, guest, front_end, served):
    with t.check(f"{front_end}_guest_takes_our_device_as_its_hardware_rng"):
        current = guest.run("cat /sys/class/misc/hw_random/rng_current").text
        assert current.startswith("virtio_rng"), f"rng_current is {current!r}"
    with t.check(f"{front_end}_guest_reads_the_bytes_that_the_device_served"):
        pieces = pieces_in_order(read_hwrng(guest, WANTED), served)
        t.say(f"{WANTED} bytes of /dev/hwrng are {pieces} pieces of the source, in order")
    with t.check(f"{front_end}_guest_reboots_and_reads_on_from_the_same_back_end"):
        guest.reboot()
        pieces_in_order(read_hwrng(guest, WANTED), served)


def test_qemu(t):
    served = known_bytes(t.path("source"))
    with t.backend("vu-rng", f"--source={t.path('source')}") as rng:
        with t.qemu(VhostUser("rng", rng)) as guest:
            read_from_guest(t, guest, "qemu", served)
            with t.check("qemu_guest_unbinds_and_binds_the_driver_while_it_reads"):
                guest.run("""
                    cd /sys/bus/virtio/drivers/virtio_rng
                    (while [ ! -e /tmp/stop ]; do dd if=/dev/hwrng bs=64 count=99; done) \\
                        >/dev/null 2>&1 &
                    for i in 1 2 3 4 5; do
                        echo virtio0 >unbind; usleep 20000; echo virtio0 >bind; usleep 50000
                    done
                    touch /tmp/stop; wait""")
                pieces_in_order(read_hwrng(guest, 1024), served)


def test_uml(t):
    served = known_bytes(t.path("source"))
    with t.backend("vu-rng", f"--source={t.path('source')}") as rng:
        device = VhostUser("rng", rng)
        if t.uml_kernel.has("virtio_rng"):
            with t.uml(device) as guest:
                read_from_guest(t, guest, "uml", served)
            return
        # Debian's 6.1um kernel has HW_RANDOM_VIRTIO off; its transport, virtio_uml, is built in
        t.skip("uml_guest_reads_the_bytes_that_the_device_served",
               f"Debian's User-mode Linux {t.uml_kernel.release} has no virtio_rng driver")
        device.modules = []
        with t.uml(device) as guest:
            with t.check("uml_front_end_finds_an_rng_behind_the_socket"):
                number, status = guest.run(
                    "cd /sys/bus/virtio/devices/virtio0 && cat device status").text.split()
                assert int(number, 16) == 4, f"device id {number}"
                t.say(f"virtio0: device {number}, status {status}")


def test_built_uml(t):
    served = known_bytes(t.path("source"))
    with t.backend("vu-rng", f"--source={t.path('source')}") as rng, \
         t.uml(VhostUser("rng", rng), linux=t.built_uml) as guest:
        read_from_guest(t, guest, "built_uml", served)


if __name__ == "__main__":
    main()
