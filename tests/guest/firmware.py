#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-blk as the disk that a machine starts from: firmware, GRUB, Linux, with and without VERSION_1."""

import hashlib
import re

from blk import disk
from lib import Image, VhostUser, main
from lib.firmware import DISK, UBOOT, Firmware, installed, mtool

MIB = 4
WRITE = f"""mount -t vfat /dev/vda1 /mnt &&
dd if=/dev/urandom of=/mnt/written bs=1M count={MIB} 2>/dev/null && sync &&
sha256sum </mnt/written && umount /mnt"""


def legacy_starts(backend):
    """For each start of the ring: was it a legacy driver's?"""
    with open(backend.log, encoding="utf-8", errors="replace") as log:
        said = re.findall(r"SET_FEATURES\(u64 0x([0-9a-f]+)\)|(SET_VRING_KICK)\(", log.read())
    starts, features = [], 0
    for acked, kick in said:
        if kick:
            starts.append(not features >> 32 & 1)
        else:
            features = int(acked, 16)
    return starts


def starts_linux(t, model, linux_is_legacy, machine="q35", bios=None, typed=(),
                 **props):
    image = Image(t.path("image"), DISK)
    with disk(t, image, "--verbose") as blk:
        device = VhostUser("blk", blk, model=model, num_queues=1, bootindex=0, **props)
        with t.machine(Firmware, device, disk=image.path, machine=machine, bios=bios,
                       typed=typed, boot_timeout=120) as guest:
            with t.check(f"{t.name}_drives_the_disk_as_a_legacy_driver_and_starts_linux_from_it"):
                starts = legacy_starts(blk)
                assert len(starts) > 1 and starts[0] and starts[-1] == linux_is_legacy, starts
            digest = None
            with t.check(f"{t.name}_guest_writes_a_file_where_it_was_started_from"):
                digest = guest.run(WRITE, timeout=60).text.split()[0]
        with t.check(f"{t.name}_image_has_the_file_as_the_guest_wrote_it"):
            on_host = hashlib.sha256(mtool("mcopy", image.path, "::written", "-")).hexdigest()
            assert on_host == digest, f"{on_host} on the host, {digest} in the guest"


def test_seabios(t):
    starts_linux(t, "vhost-user-blk-pci", True, disable_modern="on", disable_legacy="off")


def test_ovmf(t):
    starts_linux(t, "vhost-user-blk-pci-transitional", False,
                 bios=installed("ovmf", "/usr/share/ovmf/OVMF.fd"))


def test_uboot(t):
    starts_linux(t, "vhost-user-blk-pci-transitional", False, machine="pc", typed=UBOOT,
                 bios=installed("u-boot-qemu", "/usr/lib/u-boot/qemu-x86/u-boot.rom"))


if __name__ == "__main__":
    main()
