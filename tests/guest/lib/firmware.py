# SPDX-License-Identifier: MIT
"""A guest that starts as a machine does: firmware, GRUB or U-Boot, and Linux from our disk."""

from .arm64 import Arm64
from .bootdisk import BIOS, IA32, IA32_LEAVES, X64, fill
from .qemu import Qemu

# U-Boot for x86 starts a bzImage by itself, too
ZBOOT = ["virtio scan", "load virtio 0:1 4000000 vmlinuz", "setenv ks ${filesize}",
         "load virtio 0:1 8000000 initrd", "setenv bootargs {cmdline}",
         "zboot 4000000 ${ks} 8000000 ${filesize}"]


class Firmware(Qemu):
    """`disk` is the path of the bootdisk.SIZE MiB that the first device serves.

    `bios` replaces SeaBIOS, `typed` are commands for U-Boot; "{cmdline}" in them stands for what Linux
    is told.  Subclasses say for which `grub` the disk is made.
    """

    front_end = "QEMU with firmware"
    grub = BIOS

    def __init__(self, *args, disk, bios=None, typed=(), **kw):
        self._disk, self._bios, self._typed = disk, bios, typed
        super().__init__(*args, modules=["vfat", "nls_cp437", "nls_ascii"], memory=512, **kw)

    def basic_cmdline(self):
        return f"{super().basic_cmdline()} quiet"

    def command(self, console, agent):
        fill(self._disk, self.folder, self.grub, self.basic_cmdline(), self.kernel.image,
             self.initramfs)
        argv = super().command(console, agent)
        for option in ("-kernel", "-initrd", "-append"):
            at = argv.index(option)
            del argv[at:at + 2]
        return argv + (["-bios", self._bios] if self._bios else [])

    def _spawn(self, argv):
        super()._spawn(argv)
        mark = 0
        for line in self._typed:
            mark = self.wait_console(rb"^=> ", mark).end
            line = line.replace("{cmdline}", self.basic_cmdline())
            self.console.write(line.encode() + b"\n")


class Uefi(Firmware):
    grub = X64


class UbootPc(Firmware):
    """U-Boot for x86 tells GRUB and Linux of ACPI tables where there are none: a root table of zeros; the
    good ones, from before GRUB, only zboot names.  So Linux is to go by the MP table, and has MSI-X.

    (After the U-Boot for 64 bits, Linux 6.1 panics by its map of memory, on QEMU's own disk, too: "Cannot
    find place for new RAMDISK".)
    """

    machine, grub = "pc", IA32

    def basic_cmdline(self):
        return f"{super().basic_cmdline()} acpi=off"

    def complaints(self):
        return [c for c in super().complaints() if "ignoring DT" not in c]  # U-Boot says that


class UbootPcZboot(UbootPc):
    """GRUB writes and leaves, and U-Boot starts Linux."""

    grub = IA32_LEAVES

    def basic_cmdline(self):
        return super().basic_cmdline().removesuffix(" acpi=off")


class FirmwareArm64(Arm64, Firmware):
    front_end = "QEMU for arm64 with firmware"
