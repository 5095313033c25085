# SPDX-License-Identifier: MIT
"""A guest of another processor: Debian's kernel, busybox and GRUB for arm64, out of the cache folder."""

import glob
import os

from .bootdisk import Grub
from .fetch import Packages
from .kernel import Kernel
from .qemu import Qemu
from .store import version_key


class Arm64(Qemu):
    """It has places for virtio-mmio, which QEMU's other machine does not; host programs it cannot run."""

    front_end = "QEMU for arm64"
    program, package = "qemu-system-aarch64", "qemu-system-arm"
    machine, ttys, agent_line = "virt", ("ttyAMA0", "ttyS0"), "pci-serial"
    accelerators = "tcg,thread=multi"
    drivers = ["virtio_pci", "virtio_mmio"]

    def make_kernel(self):
        # the kernel for clouds is a third of the other one
        self.tree = Packages("bookworm", "linux-image-cloud-arm64", "busybox-static",
                             "grub-efi-arm64-bin", arch="arm64").tree(self.store)
        self.busybox = f"{self.tree}/bin/busybox"
        image = max(glob.glob(f"{self.tree}/boot/vmlinuz-*"), key=version_key)
        release = os.path.basename(image).removeprefix("vmlinuz-")
        return Kernel(release, image, f"{self.tree}/lib/modules/{release}")

    def command(self, console, agent):
        return super().command(console, agent) + ["-cpu", "cortex-a57"]

    @property
    def grub(self):
        return Grub("arm64-efi", "grub-efi-arm64-bin", "BOOTAA64.EFI",
                    f"{self.tree}/usr/lib/grub")
