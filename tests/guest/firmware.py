#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-blk and vu-scsi as the disk that a machine starts from: firmware, GRUB, Linux, with and without VERSION_1.

GRUB reads and writes by the firmware's driver, Linux by its own.
"""

import hashlib
import re

from blk import disk
from lib import Image, VhostUser, bootdisk, main, only_long
from lib.bootdisk import installed, mtool
from lib.firmware import ZBOOT, Firmware, FirmwareArm64, UbootPc, UbootPcZboot, Uefi

MIB = 4
WRITE = f"""mount -t vfat /dev/{{disk}}1 /mnt &&
dd if=/dev/urandom of=/mnt/written bs=1M count={MIB} 2>/dev/null && sync &&
sha256sum </mnt/written && umount /mnt"""
# virtio 1.3 §4.1: which of the two interfaces a PCI device has
LEGACY = {"model": "vhost-user-blk-pci", "disable_modern": "on", "disable_legacy": "off"}
BOTH = {"model": "vhost-user-blk-pci-transitional"}
MODERN = {"model": "vhost-user-blk-pci-non-transitional"}
# drivers take the longest ring that the transport has, and QEMU makes the in-flight log for queue_size
MMIO = {"model": "vhost-user-blk", "queue_size": 1024}


def drivers(backend):
    """What drove the ring, start by start."""
    with open(backend.log, encoding="utf-8", errors="replace") as log:
        said = re.findall(r"SET_FEATURES\(u64 0x([0-9a-f]+)\)|(SET_VRING_KICK)\(", log.read())
    starts, features = [], 0
    for acked, kick in said:
        if kick:
            starts.append("modern" if features >> 32 & 1 else "legacy")
        else:
            features = int(acked, 16)
    return starts


def writes_as_grub_did(t, guest, image, name):
    """The guest writes to the disk that it was started from; it is there, as is what GRUB wrote."""
    digest = None
    with t.check(f"{t.name}_guest_writes_a_file_where_it_was_started_from"):
        digest = guest.run(WRITE.format(disk=name)).text.split()[0]
    with t.check(f"{t.name}_image_has_the_file_as_the_guest_wrote_it"):
        on_host = hashlib.sha256(mtool("mcopy", image.path, "::written", "-")).hexdigest()
        assert on_host == digest, f"{on_host} on the host, {digest} in the guest"
    with t.check(f"{t.name}_image_has_what_grub_wrote"):
        wrote = bootdisk.grub_wrote(image.path)
        assert wrote == guest.grub.target, f"{wrote} instead of {guest.grub.target}"


def starts_linux(t, machine, device, by, **options):
    """`by`: the kind of driver that the firmware has and that Linux has."""
    image = Image(t.path("image"), bootdisk.SIZE)
    with disk(t, image, "--verbose") as blk:
        device = VhostUser("blk", blk, num_queues=1, bootindex=0, **device)
        with t.machine(machine, device, disk=image.path, **options) as guest:
            with t.check(f"{t.name}_starts_linux_from_the_disk"):
                starts = drivers(blk)
                assert len(starts) > 1 and (starts[0], starts[-1]) == by, starts
            writes_as_grub_did(t, guest, image, "vda")


def uboot(name):
    return {"bios": installed("u-boot-qemu", f"/usr/lib/u-boot/{name}")}


def uefi():
    return {"bios": installed("ovmf", "/usr/share/ovmf/OVMF.fd")}


def ovmf(t, device, by):
    starts_linux(t, Uefi, device, by, **uefi())


def uboot_x86(t, device, by):
    starts_linux(t, UbootPc, device, by, **uboot("qemu-x86/u-boot.rom"))


def uboot_arm64(t, device, by):
    starts_linux(t, FirmwareArm64, device, by, **uboot("qemu_arm64/u-boot.bin"))


def test_seabios(t):
    starts_linux(t, Firmware, LEGACY, ("legacy", "legacy"))


def test_ovmf(t):
    ovmf(t, BOTH, ("legacy", "modern"))


@only_long
def test_uboot(t):
    uboot_x86(t, BOTH, ("legacy", "modern"))


def test_uboot_arm64(t):
    uboot_arm64(t, BOTH, ("legacy", "modern"))


def starts_linux_from_scsi(t, machine, **options):
    image = Image(t.path("image"), bootdisk.SIZE)
    with t.backend("vu-scsi", f"--lun=0:0,file={image.path}") as scsi:
        device = VhostUser("scsi", scsi, num_queues=1, bootindex=0)
        with t.machine(machine, device, disk=image.path, **options) as guest:
            guest.until("[ -b /dev/sda1 ]")
            writes_as_grub_did(t, guest, image, "sda")


def test_seabios_scsi(t):
    """SeaBIOS looks at all targets, by REPORT LUNS and INQUIRY, and reads by READ(10)."""
    starts_linux_from_scsi(t, Firmware)


def test_ovmf_scsi(t):
    """OVMF reads and writes by READ and WRITE of 10 and 16 bytes."""
    starts_linux_from_scsi(t, Uefi, **uefi())


@only_long
def test_seabios_scsi_qemu10(t):
    starts_linux_from_scsi(t, Firmware, qemu=t.newer_qemu)


@only_long
def test_seabios_scsi_qemu11(t):
    starts_linux_from_scsi(t, Firmware, qemu=t.newest_qemu)


@only_long
def test_more_of_seabios(t):
    starts_linux(t, Firmware, BOTH, ("modern", "modern"))


@only_long
def test_more_of_ovmf(t):
    ovmf(t, LEGACY, ("legacy", "legacy"))


@only_long
def test_more_of_uboot(t):
    uboot_x86(t, LEGACY, ("legacy", "legacy"))


@only_long
def test_uboot_starts_linux_itself(t):
    starts_linux(t, UbootPcZboot, BOTH, ("legacy", "modern"), typed=ZBOOT,
                 **uboot("qemu-x86/u-boot.rom"))


@only_long
def test_more_of_uboot_arm64(t):
    uboot_arm64(t, LEGACY, ("legacy", "legacy"))


@only_long
def test_modern_uboot_arm64(t):
    uboot_arm64(t, MODERN, ("modern", "modern"))


@only_long
def test_mmio_uboot_arm64(t):
    uboot_arm64(t, MMIO, ("legacy", "legacy"))


if __name__ == "__main__":
    main()
