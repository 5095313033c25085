# SPDX-License-Identifier: MIT
"""Makes the extension module pylibvu._peer, the test peer, from the header of libvu-testing."""
import pathlib
import sys

import cffi

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from find_libvu import declarations, find_libvu  # noqa: E402


def make_ffi():
    libvu = find_libvu()
    options = libvu.testing_options()
    ffi = cffi.FFI()
    ffi.cdef(declarations(libvu.includes, "libvu-testing/testing.h"))
    options["include_dirs"] = [str(i) for i in libvu.includes] + options.get("include_dirs", [])
    options["extra_compile_args"] = ["-D_GNU_SOURCE"] + options.get("extra_compile_args", [])
    ffi.set_source("pylibvu._peer", "#include <libvu-testing/testing.h>\n", **options)
    return ffi


ffibuilder = make_ffi()
