#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Devices behind virtio-mmio, which QEMU makes legacy ones unless told otherwise.

QEMU's small vhost-user devices for PCI are never legacy ones.
"""

from lib import Generic, VhostUser, main
from lib.arm64 import Arm64
from lib.microvm import MicroVm
from console import Client, bulk, shell_on_hvc0
from firmware import drivers
from rng import WANTED, known_bytes, pieces_in_order, read_hwrng

KINDS = {"legacy": (), "modern": ("-global", "virtio-mmio.force-legacy=off")}


def rng_behind_mmio(t, kind):
    served = known_bytes(t.path("source"))
    with t.backend("vu-rng", f"--source={t.path('source')}", "--verbose") as rng, \
         t.machine(Arm64, VhostUser("rng", rng, model="vhost-user-rng"), extra=KINDS[kind]) as guest:
        with t.check(f"{t.name}_guest_reads_the_bytes_that_the_device_served"):
            pieces_in_order(read_hwrng(guest, WANTED), served)
        with t.check(f"{t.name}_is_what_drove_the_device"):
            assert set(drivers(rng)) == {kind}, drivers(rng)


def test_legacy_driver_of_rng(t):
    rng_behind_mmio(t, "legacy")


def test_modern_driver_of_rng(t):
    if t.long:
        rng_behind_mmio(t, "modern")


def test_legacy_driver_of_console(t):
    """What it wrote is used with the length 0, and what it reads with its length (virtio 1.3 §5.3.6)."""
    with t.backend("vu-console", f"--console=socket:{t.path('hvc0')}", "--size=101x33",
                   "--port=org.libvu.echo=echo", "--verbose") as console, \
         t.machine(MicroVm, Generic("console", console, queues=6, config_size=12,
                                    model="vhost-user-test-device"),
                   qemu=t.newest_qemu) as guest:
        with t.check(f"{t.name}_guest_has_a_shell_on_hvc0_of_the_size_that_it_was_told"), \
                Client(t.path("hvc0")) as client:
            shell_on_hvc0(guest, client)
            size = guest.run("stty size </dev/hvc0").text
            assert size == "33 101", size
        with t.check(f"{t.name}_port_echoes_what_the_guest_writes"):
            bulk(t, guest, "org.libvu.echo", 1)
        with t.check(f"{t.name}_is_what_drove_the_device"):
            assert set(drivers(console)) == {"legacy"}, drivers(console)


if __name__ == "__main__":
    main()
