# SPDX-License-Identifier: MIT
"""This machine's Mesa for a guest: a disk with its files, and those of the libraries that it needs."""

import os
import re
import shutil
import subprocess

from .errors import Skip

LIBRARIES = "/usr/lib/x86_64-linux-gnu"
VENDORS = "/usr/share/glvnd/egl_vendor.d"
PARTS = ["libEGL_mesa.so.0", "dri/virtio_gpu_dri.so"]
# What draws in software, and what libepoxy looks for by itself.
MORE_PARTS = ["dri/swrast_dri.so", "dri/kms_swrast_dri.so", "libEGL.so.1", "libGL.so.1"]


def needed_by(path):
    said = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
    return re.findall(r"=> (/\S+) \(0x", said)


class Mesa:
    """`modules`, `qemu`: for the guest.  In it, `mount` and then programs behind `environment`."""

    modules = ["virtio_blk", "ext4"]
    mount = "mkdir -p /mesa; mount -o ro /dev/vda /mesa;"
    environment = "export LD_LIBRARY_PATH=/mesa/lib LIBGL_DRIVERS_PATH=/mesa/lib/dri __EGL_VENDOR_LIBRARY_DIRS=/mesa/vendors;"

    def __init__(self, t, more=()):
        mke2fs = shutil.which("mke2fs", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        parts = [f"{LIBRARIES}/{part}" for part in [*PARTS, *more]]
        missing = [part for part in [*parts, VENDORS] if not os.path.exists(part)]
        if not mke2fs or missing:
            raise Skip(f"no {missing[0] if mke2fs else 'mke2fs'}: run scripts/setup guest test (Debian packages "
                       "e2fsprogs, libegl1, libgl1, libgl1-mesa-dri)")
        self._tree, image = t.path("mesa"), t.path("mesa.img")
        os.makedirs(f"{self._tree}/lib/dri")
        shutil.copytree(VENDORS, f"{self._tree}/vendors")
        for part in parts:
            self._copy(part, part[len(LIBRARIES) + 1:])
        size = sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(self._tree) for name in names)
        subprocess.run([mke2fs, "-q", "-F", "-t", "ext4", "-d", self._tree, image, f"{size // 900}k"], check=True)
        self.qemu = ["-drive", f"file={image},if=none,id=mesa,format=raw,readonly=on", "-device", "virtio-blk-pci,drive=mesa"]

    def _copy(self, part, name):
        shutil.copy(os.path.realpath(part), f"{self._tree}/lib/{name}")
        for library in needed_by(part):
            shutil.copy(os.path.realpath(library), f"{self._tree}/lib/{os.path.basename(library)}")
