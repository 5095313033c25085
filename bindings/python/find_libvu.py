# SPDX-License-Identifier: MIT
"""Where libvu and libvu-testing are, and what their headers declare; for build_vu.py and build_peer.py.

From, in this order,

  PYLIBVU_BUILD_DIR   a build folder of libvu's source tree
  pkg-config          an installed libvu, and libvu-testing, of this version
  ../../build         beside this file in the source tree
  libvu/              the sources, in an sdist: compiled into the modules
  pkg-config          of any version

PYLIBVU_RPATH says where the module looks for the library, instead of in the build folder; nowhere but
where the system does, if it is empty.  PYLIBVU_BUNDLE=1 puts the shared library into the package, for
wheels that need nothing else.  PYLIBVU_SOURCES=1 takes the sources, whatever else there is.
"""
import os
import pathlib
import re
import shlex
import subprocess
import sysconfig

HERE = pathlib.Path(__file__).resolve().parent
VERSION = re.search(r'^version = "(.*)"$', (HERE / "pyproject.toml").read_text(), re.M)[1]


class Libvu:
    """Compiled: where headers and libraries are."""

    def __init__(self, includes, libdir, testing, rpath):
        self.includes, self.libdir, self.testing, self.rpath = includes, libdir, testing, rpath

    def shared(self):
        return pathlib.Path(self.libdir) / "libvu.so.0"

    def options(self):
        """Of set_source() for what uses libvu."""
        bundle = os.environ.get("PYLIBVU_BUNDLE") == "1"
        return {"libraries": ["vu"], "library_dirs": [str(self.libdir)],
                "runtime_library_dirs": ["$ORIGIN"] if bundle else self.rpath,
                # the bundled library, whatever LD_LIBRARY_PATH says
                "extra_link_args": ["-Wl,--disable-new-dtags"] if bundle else []}

    def testing_options(self):
        return {"libraries": ["vu-testing"], "library_dirs": [str(self.testing)]}


class Sources:
    """Not compiled: they become part of the modules."""

    def __init__(self, root):
        self.root = root
        self.includes = [root / "include", root / "testing"]

    def shared(self):
        return None

    def listed(self, folder):
        """The files that a meson.build names."""
        text = (self.root / folder / "meson.build").read_text()
        return [self.of(folder, name) for name in re.findall(r"^ *'([\w/]+\.c)',?$", text, re.M)]

    def of(self, folder, name):
        return os.path.relpath(self.root / folder / name, HERE)

    @staticmethod
    def how(*includes):
        return {"extra_compile_args": ["-std=gnu11", "-O2", "-fvisibility=hidden", "-fno-strict-aliasing",
                                       "-Wno-missing-field-initializers", "-pthread"],
                "extra_link_args": ["-pthread"], "include_dirs": [str(i) for i in includes]}

    def options(self):
        return {"sources": self.listed("lib"), **self.how(self.root / "lib")}

    def testing_options(self):
        parts = [self.of("testing", p.name) for p in sorted((self.root / "testing").glob("*.c"))]
        return {"sources": parts + self.listed("tests/frontend"),
                **self.how(self.root / "testing", self.root / "tests", self.root / "lib")}


def write_version(root, folder):
    """version.h, as meson makes it."""
    text = (root / "include/libvu/version.h.in").read_text()
    for name, value in zip(("MAJOR", "MINOR", "PATCH"), VERSION.split(".")):
        text = text.replace(f"@{name}@", value)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "version.h").write_text(text.replace("@VERSION@", VERSION))


def from_build(build):
    build = pathlib.Path(build).resolve()
    if not (build / "lib" / "libvu.so.0").exists() or not (build / "testing/libvu-testing.a").exists():
        return None
    intro = build / "meson-info" / "intro-buildsystem_files.json"
    root = HERE.parents[1]
    if intro.exists():  # the folder knows its source tree, wherever a copy of this file is
        found = re.search(r'"([^"]*)/meson\.build"', intro.read_text())
        root = pathlib.Path(found[1]) if found else root
    rpath = os.environ.get("PYLIBVU_RPATH", str(build / "lib"))
    return Libvu([root / "include", build / "include", root / "testing"], build / "lib",
                 build / "testing", [rpath] if rpath else [])


def from_pkg_config(exact):
    tool = os.environ.get("PKG_CONFIG", "pkg-config")

    def ask(*what):
        return subprocess.run([tool, *what], check=True, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL).stdout.strip()

    try:
        for name in ("libvu", "libvu-testing"):
            ask(f"--exact-version={VERSION}" if exact else "--exists", name)
        flags = ask("--cflags-only-I", "--keep-system-cflags", "libvu", "libvu-testing")
        libdir, testing = (ask("--variable=libdir", n) for n in ("libvu", "libvu-testing"))
    except (OSError, subprocess.CalledProcessError):
        return None
    standard = libdir.startswith(("/usr/lib", "/lib")) or libdir == "/usr/local/lib"
    return Libvu([pathlib.Path(f[2:]) for f in shlex.split(flags)], libdir, testing,
                 [] if standard else [libdir])


def from_sources():
    root = HERE / "libvu"
    return Sources(root) if (root / "lib/meson.build").exists() else None


def find_libvu():
    build = os.environ.get("PYLIBVU_BUILD_DIR")
    if os.environ.get("PYLIBVU_SOURCES") == "1":
        found = from_sources()
    elif build:
        found = from_build(build)
    else:
        found = (from_pkg_config(True) or from_build(HERE / "../../build") or from_sources() or
                 from_pkg_config(False))
    if not found:
        raise SystemExit("pylibvu: libvu was not found: install it (pkg-config libvu libvu-testing), or set "
                         "PYLIBVU_BUILD_DIR to a build folder of its source tree")
    return found


def declarations(includes, header):
    """The text of libvu's headers, without what the system's bring in."""
    cc = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    done = subprocess.run([*cc, "-E", "-dD", "-DVU_PLAIN", "-x", "c",
                           *(f"-I{i}" for i in includes), "-"],
                          input=f"#include <{header}>\n", text=True, check=True,
                          stdout=subprocess.PIPE)
    ours, lines = False, []
    for line in done.stdout.splitlines():
        mark = re.match(r'# \d+ "([^"]*)"', line)
        if mark:
            ours = re.search(r"/libvu(-testing)?/\w+\.h$", mark[1]) is not None
        elif ours and re.match(r"#define VU_\w+ \d+$", line):
            lines.append(line)
        elif ours and not line.startswith("#"):
            lines.append(line)
    return "\n".join(lines)
