# SPDX-License-Identifier: MIT
"""A root file system that grows in a folder, of this machine's files and of unpacked packages."""

import glob
import os
import re
import shutil
import stat
import subprocess

FOLDERS = ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib/llvm-*/lib")


class Tree:
    """/bin and such are links as on a merged one.  `packages`: where more libraries are, below FOLDERS."""

    def __init__(self, root, packages=None):
        self._root = root
        places = [p for folder in FOLDERS for p in glob.glob(f"{packages}/{folder}")] if packages else []
        self._env = os.environ | ({"LD_LIBRARY_PATH": ":".join(places)} if places else {})
        for name in ("bin", "sbin", "lib", "lib64"):
            os.makedirs(f"{root}/usr/{name}")
            os.symlink(f"usr/{name}", f"{root}/{name}")

    def write(self, path, text):
        os.makedirs(os.path.dirname(f"{self._root}{path}"), exist_ok=True)
        with open(f"{self._root}{path}", "w", encoding="utf-8") as file:
            file.write(text)

    def link(self, path, target):
        os.makedirs(os.path.dirname(f"{self._root}{path}"), exist_ok=True)
        os.symlink(target, f"{self._root}{path}")

    def put(self, path, source=None):
        """A file of this machine, or `source` in its place; of programs with their libraries."""
        source = source or path
        there, mode = f"{self._root}{path}", os.lstat(source).st_mode
        if os.path.lexists(there):
            return
        os.makedirs(os.path.dirname(there), exist_ok=True)
        if stat.S_ISDIR(mode):
            os.makedirs(there, exist_ok=True)
        elif stat.S_ISLNK(mode) and source == path:
            os.symlink(os.readlink(source), there)
        else:
            shutil.copy(source, there)
            if os.access(source, os.X_OK):
                self.put_libraries(source)

    def put_libraries(self, program):
        """Those that ldd names; of a build folder or of unpacked packages in /usr/lib."""
        said = subprocess.run(["ldd", program], capture_output=True, text=True, check=False, env=self._env)
        for library in re.findall(r"(/\S+) \(0x", said.stdout):
            ours = not library.startswith(("/lib", "/usr/lib"))
            self.put(f"/usr/lib/{os.path.basename(library)}" if ours else library, os.path.realpath(library))
