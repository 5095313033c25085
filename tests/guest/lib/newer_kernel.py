# SPDX-License-Identifier: MIT
"""A guest with the kernel of Debian 13, for drivers that Debian 12's does not have."""

import glob
import os

from .fetch import Packages
from .kernel import Kernel
from .qemu import Qemu
from .store import version_key


class NewerKernel(Qemu):
    """Linux 6.12: what QEMU boots otherwise is the machine's own kind of kernel."""

    def make_kernel(self):
        tree = Packages("trixie", "linux-image-amd64").tree(self.store)
        image = max(glob.glob(f"{tree}/boot/vmlinuz-*"), key=version_key)
        release = os.path.basename(image).removeprefix("vmlinuz-")
        modules = next(path for path in (f"{tree}/usr/lib/modules/{release}",
                                         f"{tree}/lib/modules/{release}") if os.path.isdir(path))
        return Kernel(release, image, modules)
