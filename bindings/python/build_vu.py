# SPDX-License-Identifier: MIT
"""Makes the extension module pylibvu._vu from libvu's public headers, which find_libvu.py finds.

No declaration is typed here: the compiler's preprocessor reads the headers with VU_PLAIN, what the
system's headers brought in is dropped, and the callbacks are found in what is left.
"""
import pathlib
import re
import sys

import cffi

COMMANDS = 64  # most of a script's

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from find_libvu import declarations, find_libvu  # noqa: E402


def callbacks(text):
    """A Python function for each callback that the headers name: vupy_<its name>.

    Those of struct vu_x_ops are vupy_x_<name>.  A script's command is not told which one of its table it
    is: there are some of them, vupy_command_<number>.
    """
    found = []
    for class_, ops in re.findall(r"struct vu_(\w*?)_?ops \{(.*?)\};", text, re.S):
        prefix = class_ + "_" if class_ else ""
        found += [(result, prefix + name, args) for result, name, args in
                  re.findall(r"(\w+)\s*\(\*(\w+)\)\((.*?)\);", ops, re.S)]
    found += re.findall(r"typedef (\w+) \(\*vu_(\w+)_fn\)\((.*?)\);", text, re.S)
    result, args = re.search(r"struct vu_command \{.*?(\w+)\s*\(\*run\)\((.*?)\);", text, re.S).groups()
    found += [(result, f"command_{i}", args) for i in range(COMMANDS)]
    return "\n".join(f"{result} vupy_{name}({args});" for result, name, args in found)


def make_ffi():
    libvu = find_libvu()
    options = libvu.options()
    text = declarations(libvu.includes, "libvu/unstable.h")
    ffi = cffi.FFI()
    ffi.cdef("struct iovec { void *iov_base; size_t iov_len; ...; };\n" + text)
    ffi.cdef('extern "Python" {\n' + callbacks(text) + "\n}")
    options["include_dirs"] = [str(i) for i in libvu.includes] + options.get("include_dirs", [])
    options["extra_compile_args"] = ["-D_GNU_SOURCE"] + options.get("extra_compile_args", [])
    ffi.set_source("pylibvu._vu", "#include <libvu/unstable.h>\n", **options)
    return ffi


ffibuilder = make_ffi()
