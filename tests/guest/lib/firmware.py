# SPDX-License-Identifier: MIT
"""A guest that starts as a machine does: firmware, GRUB or U-Boot, and Linux from our disk.

The disk is made without root, by mtools and grub-mkimage: a FAT partition with kernel and initramfs, GRUB
for BIOS in front of it and GRUB for UEFI in it.
"""

import os
import struct
import subprocess

from .errors import Skip
from .qemu import Qemu
from .store import needed

MIB = 1 << 20
DISK = 64  # MiB
START = 1  # of the partition
GRUB = "/usr/lib/grub"
CMDLINE = "console=ttyS0 quiet panic=0 vu.agent=ttyS1"
CONFIG = f"""search --file --set=root /vmlinuz
linux /vmlinuz {CMDLINE}
initrd /initrd
boot
"""
GRUB_MODULES = "part_msdos fat linux search search_fs_file boot".split()
# U-Boot for x86 starts a bzImage by itself
UBOOT = ["virtio scan", "load virtio 0:1 4000000 vmlinuz", "setenv ks ${filesize}",
         "load virtio 0:1 8000000 initrd", f"setenv bootargs {CMDLINE}",
         "zboot 4000000 ${ks} 8000000 ${filesize}"]


def part(path):
    """The partition, as mtools call it."""
    return f"{path}@@{START * MIB}"


def mtool(name, path, *args):
    needed(name)
    done = subprocess.run([name, "-i", part(path), *args], stdin=subprocess.DEVNULL,
                          capture_output=True, check=False)
    assert done.returncode == 0, f"{name}: {done.stderr.decode(errors='replace')}"
    return done.stdout


def installed(package, *paths):
    """The first path that exists."""
    for path in paths:
        if os.path.exists(path):
            return path
    raise Skip(f"no {paths[0]}: run scripts/setup guest (Debian package {package})")


def grub(folder, target, package, *modules):
    """An image of GRUB with the configuration in it."""
    installed(package, f"{GRUB}/{target}")
    needed("grub-mkimage")
    config, image = f"{folder}/grub.cfg", f"{folder}/grub.{target}"
    with open(config, "w", encoding="utf-8") as file:
        file.write(CONFIG)
    subprocess.run(["grub-mkimage", "-O", target, "-o", image, "-p", "/boot", "-c", config,
                    *GRUB_MODULES, *modules], check=True)
    return image


def boot_record(core):
    """GRUB's first sector with a partition table; the rest of it follows in the sectors behind."""
    with open(f"{GRUB}/i386-pc/boot.img", "rb") as file:
        sector = bytearray(file.read(512))
    sector[440:510] = bytes(70)  # where GRUB's code for floppies is
    first, end = START * MIB // 512, DISK * MIB // 512
    struct.pack_into("<8B2I", sector, 446, 0x80, 0xfe, 0xff, 0xff, 0xef, 0xfe, 0xff, 0xff,
                     first, end - first)
    with open(core, "rb") as file:
        return bytes(sector) + file.read()


def fill(path, folder, kernel, initramfs):
    """Makes the bootable disk, in a file that is there already and that a back-end may have open."""
    record = boot_record(grub(folder, "i386-pc", "grub-pc-bin", "biosdisk"))
    efi = grub(folder, "x86_64-efi", "grub-efi-amd64-bin")
    assert len(record) <= START * MIB
    with open(path, "r+b") as file:
        file.write(record)
    mtool("mformat", path, "-F", "-T", str((DISK - START) * MIB // 512), "::")
    mtool("mmd", path, "::EFI", "::EFI/BOOT")
    for source, name in (efi, "EFI/BOOT/BOOTX64.EFI"), (kernel, "vmlinuz"), (initramfs, "initrd"):
        mtool("mcopy", path, source, f"::{name}")


class Firmware(Qemu):
    """`disk` is the path of DISK MiB that the first device serves; `bios` replaces SeaBIOS.

    `typed` are commands for U-Boot.
    """

    front_end = "QEMU with firmware"

    def __init__(self, *args, disk, machine="q35", bios=None, typed=(), **kw):
        self._disk, self._machine, self._bios, self._typed = disk, machine, bios, typed
        super().__init__(*args, modules=["vfat", "nls_cp437", "nls_ascii"], memory=512, **kw)

    def command(self, console, agent):
        fill(self._disk, self.folder, self.kernel.image, self.initramfs)
        argv = super().command(console, agent)
        for option in ("-kernel", "-initrd", "-append"):
            at = argv.index(option)
            del argv[at:at + 2]
        argv[argv.index("-machine") + 1] = f"{self._machine},memory-backend=ram"
        return argv + (["-bios", self._bios] if self._bios else [])

    def _spawn(self, argv):
        super()._spawn(argv)
        mark = 0
        if self._typed:
            self.wait_console(rb"autoboot: ", timeout=60)
            self.console.write(b"\n")
        for line in self._typed:
            mark = self.wait_console(rb"^=> ", mark, timeout=60).end
            self.console.write(line.encode() + b"\n")
