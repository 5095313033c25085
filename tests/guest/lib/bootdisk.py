# SPDX-License-Identifier: MIT
"""A disk to start from, made without root by mtools and grub-mkimage.

A FAT partition with kernel and initramfs, GRUB for BIOS in front of it and GRUBs for UEFI in it. GRUB
writes what it is into a file of the disk before it starts Linux.
"""

import os
import struct
import subprocess

from .errors import Skip
from .store import needed

MIB = 1 << 20
SIZE = 80  # MiB
START = 1  # of the partition
FOLDER = "/usr/lib/grub"
NOTE = "grubenv"  # where GRUB writes; it overwrites blocks and makes no files
CONFIG = """search --file --set=root /vmlinuz
set wrote={target}
save_env --file /{note} wrote
"""
LINUX = """linux /vmlinuz {cmdline}
initrd /initrd
boot
"""
MODULES = "part_msdos fat linux search search_fs_file boot loadenv".split()


class Grub:
    """GRUB for one kind of firmware: `target` as grub-mkimage calls it, and the package it is in.

    `name` is the file that UEFI starts by itself; without one GRUB is for BIOS.  `then` is what it does
    when it has written.
    """

    def __init__(self, target, package, name=None, folder=FOLDER, modules=(), then=LINUX):
        self.target, self.package, self.name, self._then = target, package, name, then
        self.folder, self.modules = f"{folder}/{target}", list(modules)

    def image(self, scratch, cmdline):
        """Makes an image with the configuration in it."""
        installed(self.package, self.folder)
        needed("grub-mkimage")
        config, image = f"{scratch}/grub.cfg", f"{scratch}/grub.{self.target}"
        with open(config, "w", encoding="utf-8") as file:
            file.write((CONFIG + self._then).format(note=NOTE, target=self.target,
                                                   cmdline=cmdline))
        subprocess.run(["grub-mkimage", "-O", self.target, "-d", self.folder, "-o", image,
                        "-p", "/boot", "-c", config, *MODULES, *self.modules], check=True)
        return image


BIOS = Grub("i386-pc", "grub-pc-bin", modules=["biosdisk"])
X64 = Grub("x86_64-efi", "grub-efi-amd64-bin", "BOOTX64.EFI")
IA32 = Grub("i386-efi", "grub-efi-ia32-bin", "BOOTIA32.EFI")
IA32_LEAVES = Grub("i386-efi", "grub-efi-ia32-bin", "BOOTIA32.EFI", modules=["minicmd"], then="exit\n")


def installed(package, *paths):
    """The first path that exists."""
    for path in paths:
        if os.path.exists(path):
            return path
    raise Skip(f"no {paths[0]}: run scripts/setup guest (Debian package {package})")


def mtool(name, path, *args):
    """Runs one of mtools on the partition; its output."""
    needed(name)
    done = subprocess.run([name, "-i", f"{path}@@{START * MIB}", *args], stdin=subprocess.DEVNULL,
                          capture_output=True, check=False)
    assert done.returncode == 0, f"{name}: {done.stderr.decode(errors='replace')}"
    return done.stdout


def fill(path, scratch, grub, cmdline, kernel, initramfs):
    """Makes the bootable disk, in a file that is there already and that a back-end may have open."""
    image = grub.image(scratch, cmdline)
    with open(path, "r+b") as file:
        file.write(_boot_record(grub, image))
    mtool("mformat", path, "-F", "-T", str((SIZE - START) * MIB // 512), "::")
    mtool("mmd", path, "::EFI", "::EFI/BOOT")
    note = f"{scratch}/{NOTE}"
    with open(note, "wb") as file:
        file.write(b"# GRUB Environment Block\n".ljust(1024, b"#"))
    files = [(kernel, "vmlinuz"), (initramfs, "initrd"), (note, NOTE)]
    for source, name in files + ([(image, f"EFI/BOOT/{grub.name}")] if grub.name else []):
        mtool("mcopy", path, source, f"::{name}")


def grub_wrote(path):
    """What GRUB wrote into the disk: "arm64-efi" and such, or None."""
    for line in mtool("mtype", path, f"::{NOTE}").decode(errors="replace").split("\n"):
        if line.startswith("wrote="):
            return line.removeprefix("wrote=")
    return None


def _boot_record(grub, image):
    """The first sectors: a partition table, with GRUB's code around and behind it if it is for BIOS."""
    sector, core = bytearray(512), b""
    if not grub.name:
        with open(f"{grub.folder}/boot.img", "rb") as file:
            sector = bytearray(file.read(512))
        with open(image, "rb") as file:
            core = file.read()
    sector[440:510] = bytes(70)  # where GRUB's code for floppies is
    sector[510:] = b"\x55\xaa"
    first, end = START * MIB // 512, SIZE * MIB // 512
    struct.pack_into("<8B2I", sector, 446, 0x80, 0xfe, 0xff, 0xff, 0xef, 0xfe, 0xff, 0xff,
                     first, end - first)
    assert 512 + len(core) <= START * MIB
    return bytes(sector) + core
