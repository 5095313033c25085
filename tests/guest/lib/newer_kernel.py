# SPDX-License-Identifier: MIT
"""Guests with kernels of later Debian releases, for drivers that Debian 12's does not have."""

import glob
import os

from .drivers import NewestDrivers
from .fetch import Packages
from .kernel import Kernel
from .qemu import Qemu
from .store import version_key


class NewerKernel(Qemu):
    """Linux 6.12 of Debian 13: what QEMU boots otherwise is the machine's own kind of kernel."""

    suite = "trixie"

    def make_kernel(self):
        tree = Packages(self.suite, "linux-image-amd64").tree(self.store)
        image = max(glob.glob(f"{tree}/boot/vmlinuz-*") +
                    glob.glob(f"{tree}/usr/lib/modules/*/vmlinuz"), key=version_key)
        release = os.path.basename(image).removeprefix("vmlinuz-")
        if release == "vmlinuz":
            release = os.path.basename(os.path.dirname(image))
        modules = next(path for path in (f"{tree}/usr/lib/modules/{release}",
                                         f"{tree}/lib/modules/{release}") if os.path.isdir(path))
        return Kernel(release, image, modules, self.make_drivers(release))

    def make_drivers(self, release):
        """Those that it lacks and that can be built for it."""
        return None


class NewestKernel(NewerKernel):
    """Linux 7 of sid."""

    suite = "sid"

    def make_drivers(self, release):
        return NewestDrivers(self.store, release)
