# SPDX-License-Identifier: MIT
"""What pyproject.toml cannot say: extension modules, the library inside a wheel, its sources inside an sdist."""
import os
import pathlib
import shutil
import sys
import sysconfig

from setuptools import setup
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import find_libvu  # noqa: E402


class Build(build_ext):
    def run(self):
        super().run()
        shared = find_libvu.find_libvu().shared()
        if os.environ.get("PYLIBVU_BUNDLE") == "1" and shared and not self.inplace:
            shutil.copyfile(shared.resolve(), pathlib.Path(self.build_lib) / "pylibvu" / "libvu.so.0")


class Sdist(sdist):
    """With libvu's sources, so that a C compiler is all that it needs."""

    def make_release_tree(self, base_dir, files):
        super().make_release_tree(base_dir, files)
        target = pathlib.Path(base_dir, "libvu")
        root = HERE / "libvu" if (HERE / "libvu").exists() else HERE.parents[1]
        if not (root / "lib/meson.build").exists():
            raise SystemExit("pylibvu: an sdist is made in libvu's source tree")
        for pattern in ("lib/**/*.[ch]", "lib/meson.build", "include/libvu/*.h", "include/libvu/*.in",
                        "tests/frontend/*.[ch]", "tests/frontend/meson.build", "testing/**/*.[ch]", "LICENSE"):
            for path in root.glob(pattern):
                to = target / path.relative_to(root)
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, to)
        find_libvu.write_version(root, target / "include/libvu")


# cffi's modules use the stable interface: one wheel for every Python from 3.9 on.  A free-threaded one
# has no such interface.
stable = not sysconfig.get_config_var("Py_GIL_DISABLED")
# Modules are looked at for what needs them only: an sdist is made where nothing is built.
modules = ["build_vu.py:ffibuilder", "build_peer.py:ffibuilder"]
setup(cffi_modules=[] if {"sdist", "egg_info", "dist_info"} & set(sys.argv) else modules,
      cmdclass={"build_ext": Build, "sdist": Sdist},
      options={"bdist_wheel": {"py_limited_api": "cp39"}} if stable else {})
