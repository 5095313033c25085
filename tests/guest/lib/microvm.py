# SPDX-License-Identifier: MIT
"""A guest of QEMU's machine for x86 that has nothing but virtio-mmio, in front of which drivers are legacy ones."""

from .newer_kernel import NewerKernel


class MicroVm(NewerKernel):
    """Emulated, it lacks all that Linux would measure the processor's clock with: any number does.

    Some of Debian 12's kernels (6.1.176) stand there for minutes once they have read its ACPI tables.
    """

    front_end = "QEMU's microvm"
    machine, agent_line = "microvm,pit=on,pic=on,rtc=on,isa-serial=on", "isa-serial,index=1"
    drivers = ["virtio_mmio"]

    def basic_cmdline(self):
        return f"{super().basic_cmdline()} tsc_early_khz=1000000"
