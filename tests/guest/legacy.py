#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Devices behind virtio-mmio, which QEMU makes legacy ones unless told otherwise.

QEMU's small vhost-user devices for PCI are never legacy ones, and its console exists as such a device
only in QEMU 11 (and not here: its machines with virtio-mmio want another processor or KVM).
"""

from lib import VhostUser, main
from lib.arm64 import Arm64
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


if __name__ == "__main__":
    main()
