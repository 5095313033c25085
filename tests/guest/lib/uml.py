# SPDX-License-Identifier: MIT
"""A guest under User-mode Linux: the kernel is a process, and its virtio_uml the front-end."""

import os
import subprocess

from .errors import GuestError, Skip
from .kernel import Kernel
from .machine import Machine


class Uml(Machine):
    """`linux`: another kernel than the installed one; see Test.newer_uml and Test.built_uml.

    `dts`: the source of a device tree, for what a bus cannot find (SCMI).
    """

    front_end = "User-mode Linux"

    def __init__(self, *args, linux=None, dts=None, **kw):
        self._linux, self._dts = linux, dts
        super().__init__(*args, **kw)

    def make_kernel(self):
        if os.uname().machine != "x86_64":
            raise Skip("Debian has User-mode Linux for amd64 only")
        return Kernel.uml(self._linux)

    def command(self, console, agent):
        argv = [self.kernel.image, f"mem={self.memory}M", f"initrd={self.initramfs}",
                f"uml_dir={self.folder}/", f"umid={self.name}", "panic=0", "vu.agent=tty1",
                f"con0=null,fd:{console.fileno()}", f"con1=fd:{agent.fileno()}", "con=null",
                "ssl=null", console, agent]
        for device in self.devices:
            argv += device.uml_args()
        if self._dts:
            argv.append(f"dtb={self._device_tree()}")
        return argv + self.cmdline.split()

    def _device_tree(self):
        path = os.path.join(self.folder, f"{self.name}.dtb")
        try:
            done = subprocess.run(["dtc", "-q", "-I", "dts", "-O", "dtb", "-o", path],
                                  input=self._dts, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            raise Skip("no dtc: run scripts/setup guest (Debian package device-tree-compiler)") \
                from None
        if done.returncode:
            raise GuestError(f"dtc: {done.stderr.strip()}")
        return path

    def shut_down(self):
        # nothing on the outside ends it in order: the guest has to
        try:
            self._send("poweroff -f")
            self._process.wait(5)
        except (GuestError, OSError, subprocess.TimeoutExpired):
            self.kill()
