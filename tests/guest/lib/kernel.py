# SPDX-License-Identifier: MIT
"""Finds kernels, takes the ELF image out of a bzImage, and knows which modules need which.

Kernels are Debian packages unpacked by `scripts/setup guest` in the cache folder, never installed.
"""

import glob
import lzma
import os
import re
import shutil
import struct
import subprocess
import zlib

from .drivers import Drivers
from .errors import Skip
from .store import cache_folders, version_key


class Kernel:
    def __init__(self, release, image, modules, drivers=None):
        self.release, self.image, self._folder = release, image, modules
        self._drivers = drivers  # that can be built for it
        self._files = self._builtin = None

    @staticmethod
    def debian(release="", store=None):
        """The newest unpacked Debian kernel whose release starts with `release`.

        With a Store it gets the drivers that it lacks from there.
        """
        found = []
        for folder in cache_folders():
            for image in glob.glob(f"{folder}/linux-image-*/boot/vmlinuz-{release}*"):
                found.append((version_key(image), image))
        if not found:
            raise Skip(f"no Debian kernel {release} in {' or '.join(cache_folders())}: "
                       "run scripts/setup guest")
        image = max(found)[1]
        release = os.path.basename(image).removeprefix("vmlinuz-")
        tree = os.path.dirname(os.path.dirname(image))
        modules = next(p for p in (f"{tree}/lib/modules/{release}",
                                   f"{tree}/usr/lib/modules/{release}") if os.path.isdir(p))
        return Kernel(release, image, modules, Drivers(store, release) if store else None)

    @staticmethod
    def uml(linux=None):
        """User-mode Linux of Debian's package user-mode-linux, or (program, folder of modules).

        VU_LINUX_UML is another program to start in place of the package's.
        """
        if linux:
            return Kernel(re.search(r"\d[\d.]*", os.path.basename(linux[1]))[0], *linux)
        image = shutil.which(os.environ.get("VU_LINUX_UML") or "linux.uml")
        modules = sorted(glob.glob("/usr/lib/uml/modules/*"), key=version_key)
        if not image or not modules:
            raise Skip("no linux.uml: run scripts/setup guest (Debian package user-mode-linux)")
        return Kernel(os.path.basename(modules[-1]), image, modules[-1])

    def boot_image(self, scratch):
        """The vmlinux, which QEMU starts by PVH much faster than a bzImage unpacks itself."""
        for folder in (os.path.dirname(self.image), scratch):
            path = os.path.join(folder, f"vmlinux-{self.release}")
            if os.path.exists(path):
                return path
            if os.access(folder, os.W_OK):
                break
        with open(self.image, "rb") as file:
            elf = unpack_vmlinux(file.read())
        if not elf:
            return self.image
        with open(f"{path}.{os.getpid()}", "wb") as file:
            file.write(elf)
        os.rename(f"{path}.{os.getpid()}", path)
        return path

    def modules(self, names):
        """(name, bytes) of the modules and all they depend on, in the order to insert them."""
        order = {}
        for name in names:
            self._add(name, order, required=True)
        return list(order.items())

    def has(self, name):
        self._index()
        return _plain(name) in self._files or _plain(name) in self._builtin

    def _add(self, name, order, required):
        self._index()
        name = _plain(name)
        if name in order or name in self._builtin:
            return
        if name not in self._files and self._drivers and name in self._drivers.sources:
            self._index_folder(self._drivers.folder())
        if name not in self._files:
            if required:
                raise Skip(f"kernel {self.release} has no {name}")
            return
        data = _read_module(self._files[name])
        info = modinfo(data)
        for need in [n for line in info.get("depends", []) for n in line.split(",") if n]:
            self._add(need, order, required=True)
        for line in info.get("softdep", []):  # "pre: crypto-crc32c": an algorithm, not a file
            for need in re.sub(r"post:.*", "", line).replace("pre:", "").split():
                need = need.removeprefix("crypto-")
                self._add(need if self.has(need) else f"{need}_generic", order, required=False)
        order[name] = data

    def _index(self):
        if self._files is None:
            self._files = {}
            self._index_folder(self._folder)
            with open(f"{self._folder}/modules.builtin", encoding="utf-8") as lines:
                self._builtin = {_plain(os.path.basename(l.strip())[:-3]) for l in lines}

    def _index_folder(self, top):
        for folder, _, files in os.walk(top):
            for file in files:
                if re.search(r"\.ko(\.\w+)?$", file):
                    self._files[_plain(file.split(".ko")[0])] = os.path.join(folder, file)


def _plain(name):
    return name.replace("-", "_")


def _read_module(path):
    with open(path, "rb") as file:
        data = file.read()
    if path.endswith(".xz"):
        return lzma.decompress(data)
    if path.endswith(".zst"):
        return subprocess.run(["zstd", "-dcq"], input=data, stdout=subprocess.PIPE,
                              check=True).stdout
    return data


def modinfo(elf):
    """{key: [values]} of a 64-bit little-endian module's .modinfo section."""
    shoff = struct.unpack_from("<Q", elf, 0x28)[0]
    entry, count, names = struct.unpack_from("<HHH", elf, 0x3A)

    def section(index):
        name, _, _, _, offset, size = struct.unpack_from("<IIQQQQ", elf, shoff + index * entry)
        return name, elf[offset:offset + size]

    strings = section(names)[1]
    found = {}
    for index in range(count):
        name, data = section(index)
        if strings[name:strings.index(b"\0", name)] == b".modinfo":
            for item in data.split(b"\0"):
                key, _, value = item.decode(errors="replace").partition("=")
                found.setdefault(key, []).append(value)
    return found


def unpack_vmlinux(image):
    """The ELF file in a bzImage (Documentation/arch/x86/boot.rst), or None if we cannot unpack it."""
    if image[0x202:0x206] != b"HdrS":
        return None
    start = (image[0x1F1] + 1) * 512 + struct.unpack_from("<I", image, 0x248)[0]
    data = image[start:start + struct.unpack_from("<I", image, 0x24C)[0]]
    if data.startswith(b"\xfd7zXZ"):
        elf = lzma.LZMADecompressor().decompress(data)
    elif data.startswith(b"\x1f\x8b"):
        elf = zlib.decompressobj(31).decompress(data)
    elif data.startswith(b"\x28\xb5\x2f\xfd") and shutil.which("zstd"):
        # the last four bytes are the kernel's own size word, which zstd would complain about
        elf = subprocess.run(["zstd", "-dcq"], input=data[:-4], stdout=subprocess.PIPE,
                             check=True).stdout
    else:
        return None
    return elf if elf.startswith(b"\x7fELF") else None
