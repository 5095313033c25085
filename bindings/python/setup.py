# SPDX-License-Identifier: MIT
"""What pyproject.toml cannot say: the extension module, and the library inside a wheel."""
import os
import pathlib
import shutil
import sys

from setuptools import setup
from setuptools.command.build_ext import build_ext

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import build_vu  # noqa: E402


class Build(build_ext):
    def run(self):
        super().run()
        if os.environ.get("PYLIBVU_BUNDLE") == "1" and not self.inplace:
            target = pathlib.Path(self.build_lib) / "pylibvu" / "libvu.so.0"
            shutil.copyfile(build_vu.find_libvu().shared().resolve(), target)


# cffi's modules use the stable interface: one wheel for every Python from 3.9 on
setup(cffi_modules=["build_vu.py:ffibuilder"], cmdclass={"build_ext": Build},
      options={"bdist_wheel": {"py_limited_api": "cp39"}})
