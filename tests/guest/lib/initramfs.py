# SPDX-License-Identifier: MIT
"""Writes the guest's whole file system: busybox, modules, host programs with their libraries.

The format is cpio's "newc", uncompressed: nothing to unpack for an emulated processor.
"""

import os
import re
import shutil
import stat
import subprocess

from . import tools
from .errors import Skip

INIT = os.path.join(os.path.dirname(__file__), "init.sh")


class Initramfs:
    def __init__(self, busybox=None):
        self._names = set()
        self._out = bytearray()
        for folder in ("dev", "proc", "sys", "tmp", "mnt", "run", "root", "host", "modules"):
            self._folder(folder)
        busybox = busybox or shutil.which("busybox") or "/bin/busybox"
        if not os.path.exists(busybox):
            raise Skip("no busybox: run scripts/setup guest (Debian package busybox-static)")
        self.add_file("/bin/busybox", busybox, 0o755)
        self.add_link("/bin/sh", "busybox")
        self.add_file("/init", INIT, 0o755)

    def add_file(self, name, content, mode=0o644):
        """`content`: bytes, or the path of a host file."""
        if not isinstance(content, bytes):
            with open(content, "rb") as file:
                content = file.read()
        self._entry(name.strip("/"), stat.S_IFREG | mode, content)

    def add_link(self, name, target):
        self._entry(name.strip("/"), stat.S_IFLNK | 0o777, target.encode())

    def add_program(self, program, store=None):
        """A host program in /host, with the libraries that ldd names at their own paths;
        those of a build folder or of the cache go to /lib.

        init.sh makes an alias of it: busybox's shell prefers its own applets to the PATH.
        With a Store, the programs that lib/tools.py knows come from there.
        """
        path, libraries = store and tools.find(store, program) or (None, None)
        path = path or shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if not path:
            raise Skip(f"no {program} on this machine")
        self.add_file(f"/host/{os.path.basename(program)}", os.path.realpath(path), 0o755)
        places = {"LD_LIBRARY_PATH": libraries} if libraries else {}
        listing = subprocess.run(["ldd", path], capture_output=True, text=True, check=False,
                                 env=os.environ | places)
        for library in re.findall(r"(/\S+) \(0x", listing.stdout):
            standard = library.startswith(("/lib", "/usr/lib"))
            self.add_file(library if standard else f"/lib/{os.path.basename(library)}",
                          os.path.realpath(library), 0o755)

    def add_modules(self, modules):
        names = []
        for name, data in modules:
            self.add_file(f"/modules/{name}.ko", data)
            names.append(name)
        self.add_file("/modules/list", "".join(f"{n}\n" for n in names).encode())

    def write(self, path):
        with open(path, "wb") as file:
            file.write(self._out)
            file.write(self._record("TRAILER!!!", 0, b""))

    def _folder(self, name):
        if name and name not in self._names:
            self._folder(os.path.dirname(name))
            self._names.add(name)
            self._out += self._record(name, stat.S_IFDIR | 0o755, b"")

    def _entry(self, name, mode, content):
        if name in self._names:
            return
        self._folder(os.path.dirname(name))
        self._names.add(name)
        self._out += self._record(name, mode, content)

    def _record(self, name, mode, content):
        path = name.encode() + b"\0"
        links = 2 if stat.S_ISDIR(mode) else 1
        fields = (len(self._names), mode, 0, 0, links, 0, len(content), 0, 0, 0, 0, len(path), 0)
        head = b"070701" + b"".join(b"%08x" % f for f in fields) + path
        return head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)
