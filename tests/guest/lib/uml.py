# SPDX-License-Identifier: MIT
"""A guest under User-mode Linux: the kernel is a process, and its virtio_uml the front-end.

Not every such kernel runs on every processor: before Linux 6.13 they panic when init starts on one
with AMX, whose registers take more room (11008 bytes) than they have for them (2696): the host's kernel
does not take a part of them back.  So each kernel is tried once.
"""

import os
import subprocess
import tempfile

from .errors import GuestDied, GuestError, GuestTimeout, Skip
from .kernel import Kernel
from .machine import PATIENT, Machine
from .newer import newer_uml


def usable(store, linux=None):
    """The Kernel of `linux`, (program, folder of modules), or Debian's: the installed one if it
    reaches init here, else the newer one.  Raises Skip where none does.
    """
    if os.uname().machine != "x86_64":
        raise Skip("Debian has User-mode Linux for amd64 only")
    kernel = Kernel.uml(linux)
    fault = fault_of(store, kernel)
    if not fault:
        return kernel
    fault = f"User-mode Linux {kernel.release} does not reach init on this processor ({fault})"
    if linux:
        raise Skip(fault)
    try:
        return usable(store, newer_uml(store))
    except Skip as reason:
        raise Skip(f"{fault}, and a newer one: {reason}") from reason


def fault_of(store, kernel):
    """What a kernel says instead of starting init, found out once in a run; or an empty string."""
    what = trial_of(kernel.image)
    fault = store.recall(what)
    if fault is None:
        with tempfile.TemporaryDirectory(prefix="libvu-guest.") as folder:
            fault = _try(Trial(folder, "trial", store, linux=kernel, memory=64))
        store.note(what, fault)
    return fault


def trial_of(image):
    """What is found out of a kernel is noted for that."""
    return " with ".join([f"start of {image}", *_preloaded()])


def _preloaded():
    """The library that User-mode Linux is started with, if any: VU_UML_PRELOAD."""
    library = os.environ.get("VU_UML_PRELOAD")
    return [f"LD_PRELOAD={os.path.abspath(library)}"] if library else []


def _try(machine):
    try:
        machine.boot()
    except GuestTimeout:
        return "it says nothing"
    except GuestDied as died:
        return " ".join(str(died).removeprefix(f"{machine.name}: ").split())[:200]
    finally:
        machine.close()
    return ""


class Uml(Machine):
    """`linux`: another kernel than the installed one; see Test.newer_uml and Test.built_uml.

    `dts`: the source of a device tree, for what a bus cannot find (SCMI).
    """

    front_end = "User-mode Linux"

    def __init__(self, *args, linux=None, dts=None, **kw):
        self._linux, self._dts = linux, dts
        super().__init__(*args, **kw)

    def make_kernel(self):
        return usable(self.store, self._linux)

    def command(self, console, agent):
        argv = ["env", *_preloaded(), self.kernel.image, f"mem={self.memory}M", f"initrd={self.initramfs}",
                f"uml_dir={self.folder}/", f"umid={self.name}", "panic=0", *PATIENT.split(), "vu.agent=tty1",
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


class Trial(Uml):
    """A guest without devices, of a Kernel that may not start here."""

    def make_kernel(self):
        return self._linux

    def shut_down(self):
        self.kill()
