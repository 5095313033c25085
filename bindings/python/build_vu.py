# SPDX-License-Identifier: MIT
"""Makes the extension module pylibvu._vu from libvu's public headers.

No declaration is typed here: the compiler's preprocessor reads the headers with VU_PLAIN, what the
system's headers brought in is dropped, and the callbacks are found in what is left.  Where libvu
is comes from, in this order,

  PYLIBVU_BUILD_DIR   a build folder of libvu's source tree
  pkg-config          an installed libvu
  ../../build         beside this file in the source tree

PYLIBVU_RPATH says where the module looks for the library, instead of in the build folder; nowhere but
where the system does, if it is empty.  PYLIBVU_BUNDLE=1 puts the shared library into the package, for wheels that need nothing else.
"""
import os
import pathlib
import re
import shlex
import subprocess
import sysconfig

import cffi

HERE = pathlib.Path(__file__).resolve().parent


class Libvu:
    """Where headers and library are."""

    def __init__(self, includes, libdir, rpath):
        self.includes, self.libdir, self.rpath = includes, libdir, rpath

    def shared(self):
        return pathlib.Path(self.libdir) / "libvu.so.0"


def from_build(build):
    build = pathlib.Path(build).resolve()
    if not (build / "lib" / "libvu.so.0").exists():
        return None
    intro = build / "meson-info" / "intro-buildsystem_files.json"
    root = HERE.parents[1]
    if intro.exists():  # the folder knows its source tree, wherever a copy of this file is
        found = re.search(r'"([^"]*)/meson\.build"', intro.read_text())
        root = pathlib.Path(found[1]) if found else root
    rpath = os.environ.get("PYLIBVU_RPATH", str(build / "lib"))
    return Libvu([root / "include", build / "include"], build / "lib", [rpath] if rpath else [])


def from_pkg_config():
    tool = os.environ.get("PKG_CONFIG", "pkg-config")
    try:
        flags = subprocess.run([tool, "--cflags-only-I", "--keep-system-cflags", "libvu"], check=True,
                               text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        libdir = subprocess.run([tool, "--variable=libdir", "libvu"], check=True, text=True,
                                stdout=subprocess.PIPE).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    standard = libdir.startswith(("/usr/lib", "/lib")) or libdir == "/usr/local/lib"
    return Libvu([pathlib.Path(f[2:]) for f in shlex.split(flags)], libdir,
                 [] if standard else [libdir])


def find_libvu():
    build = os.environ.get("PYLIBVU_BUILD_DIR")
    found = from_build(build) if build else from_pkg_config() or from_build(HERE / "../../build")
    if not found:
        raise SystemExit("pylibvu: libvu was not found: install it (pkg-config libvu), or set "
                         "PYLIBVU_BUILD_DIR to a build folder of its source tree")
    return found


def declarations(includes):
    """The text of libvu's headers, without what the system's bring in."""
    cc = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    done = subprocess.run([*cc, "-E", "-dD", "-DVU_PLAIN", "-x", "c",
                           *(f"-I{i}" for i in includes), "-"],
                          input="#include <libvu/unstable.h>\n", text=True, check=True,
                          stdout=subprocess.PIPE)
    ours, lines = False, []
    for line in done.stdout.splitlines():
        mark = re.match(r'# \d+ "([^"]*)"', line)
        if mark:
            ours = "/libvu/" in mark[1]
        elif ours and re.match(r"#define VU_\w+ \d+$", line):
            lines.append(line)
        elif ours and not line.startswith("#"):
            lines.append(line)
    return "\n".join(lines)


def callbacks(text):
    """A Python function for each callback that the headers name: vupy_<its name>.

    Those of struct vu_x_ops are vupy_x_<name>.
    """
    found = []
    for class_, ops in re.findall(r"struct vu_(\w*?)_?ops \{(.*?)\};", text, re.S):
        prefix = class_ + "_" if class_ else ""
        found += [(result, prefix + name, args) for result, name, args in
                  re.findall(r"(\w+)\s*\(\*(\w+)\)\((.*?)\);", ops, re.S)]
    found += re.findall(r"typedef (\w+) \(\*vu_(\w+)_fn\)\((.*?)\);", text, re.S)
    return "\n".join(f"{result} vupy_{name}({args});" for result, name, args in found)


def make_ffi():
    libvu = find_libvu()
    text = declarations(libvu.includes)
    bundle = os.environ.get("PYLIBVU_BUNDLE") == "1"
    ffi = cffi.FFI()
    ffi.cdef("struct iovec { void *iov_base; size_t iov_len; ...; };\n" + text)
    ffi.cdef('extern "Python" {\n' + callbacks(text) + "\n}")
    ffi.set_source(
        "pylibvu._vu", "#include <libvu/unstable.h>\n",
        libraries=["vu"], library_dirs=[str(libvu.libdir)],
        include_dirs=[str(i) for i in libvu.includes],
        runtime_library_dirs=["$ORIGIN"] if bundle else libvu.rpath,
        # the bundled library, whatever LD_LIBRARY_PATH says
        extra_link_args=["-Wl,--disable-new-dtags"] if bundle else [],
        extra_compile_args=["-D_GNU_SOURCE"])
    return ffi


ffibuilder = make_ffi()
