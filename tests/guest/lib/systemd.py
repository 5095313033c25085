# SPDX-License-Identifier: MIT
"""A disk with this machine's systemd, and with devices as they are installed: programs and units.

Nothing of it is configured by a package's scripts: what systemd needs of /etc is written here.
"""

import glob
import os
import re
import shutil
import subprocess

from . import rootdisk
from .errors import Skip
from .tree import Tree

MIB = 320
ETC = {
    "passwd": "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/nonexistent:/bin/false\n",
    "group": "root:x:0:\nkvm:x:101:\ninput:x:102:\naudio:x:103:\nrender:x:104:\nnogroup:x:65534:\n",
    "machine-id": "0123456789abcdef0123456789abcdef\n",
    "os-release": "ID=guest\n",
    "fstab": "",
}
# /tmp is the harness's; the rest is for machines that are updated.
MASKED = ("systemd-tmpfiles-setup.service", "systemd-tmpfiles-clean.timer", "ldconfig.service",
          "systemd-sysusers.service")
START = "systemd.unit=basic.target systemd.mask=tmp.mount"


def _files_of_package():
    done = subprocess.run(["dpkg", "-L", "systemd"], capture_output=True, text=True, check=False) \
        if shutil.which("dpkg") else None
    if not done or done.returncode:
        raise Skip("no package systemd on this machine: run scripts/setup guest")
    return [path for path in done.stdout.split("\n")
            if path and not path.startswith(("/usr/share/", "/.")) and os.path.lexists(path)]


def disk(t, devices, programs=()):
    """The path of a disk for vu.root= that has the units of these devices, and more programs in /host."""
    units = os.path.join(t.build, "examples", "systemd")

    def add(scratch):
        tree = Tree(scratch)
        for path in _files_of_package():
            tree.put(path)
        for name, text in ETC.items():
            tree.write(f"/etc/{name}", text)
        for name in MASKED:
            tree.link(f"/etc/systemd/system/{name}", "/dev/null")
        for name in devices:
            for unit in glob.glob(f"{units}/vu-{name}@.*"):
                tree.put(f"/etc/systemd/system/{os.path.basename(unit)}", unit)
                with open(unit, encoding="utf-8") as file:
                    for place in re.findall(r"^ExecStart=(\S+)", file.read(), re.M):
                        tree.put(place, t.program(f"vu-{name}"))
        for name in programs:
            tree.put(f"/host/{name}", t.program(name))

    path = t.path("root")
    with open(path, "wb") as file:
        file.truncate(MIB << 20)
    rootdisk.fill(path, t.path("tree"), add)
    shutil.rmtree(t.path("tree"))
    return path


def boot(t, image, modules=(), extra=(), **more):
    """A guest under QEMU whose process 1 is systemd; its /host/NAME are run by their names."""
    return t.qemu(modules=["virtio_blk", "ext4", *modules], memory=768, cmdline=f"vu.root=vda {START}",
                  extra=[*extra, "-drive", f"file={image},format=raw,if=none,id=root,cache=unsafe",
                         "-device", "virtio-blk-pci,drive=root"], **more)
