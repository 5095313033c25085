#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The ways to install pylibvu, each in a fresh environment.  routes.py ROOT BUILD HOW

debian: pip with Debian's packages and no index; sdist: the same from an sdist, without libvu or meson; wheel: one that bundles libvu, into an empty
environment (with cffi from Debian's files, as an index would give); index: pip as anybody would,
skipped where no index answers; mypy: mypy --strict, from the index, too.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile

import prepare

USE = """
import os, pylibvu
from pylibvu import testing
class Rng(pylibvu.Device):
    device_id = 4
    @pylibvu.queue(0)
    def requests(self, req):
        req.write(os.urandom(min(req.writable_len, 65536)))
        req.complete()
with testing.served(Rng()) as peer:
    assert len(peer.queue(0).request(writable=16)) == 16
maps = [l.split()[-1] for l in open("/proc/self/maps") if "libvu.so" in l or "/_vu." in l]
print("works with", max(maps, key=lambda path: "libvu.so" in path))
"""


class Route:
    def __init__(self, root, build, work):
        self.root, self.build, self.work = pathlib.Path(root), build, pathlib.Path(work)
        self.source = self.work / "source"
        prepare.copy(pathlib.Path(root, "bindings/python"), self.source)
        self.env = dict(os.environ, PYLIBVU_BUILD_DIR=build, PIP_DISABLE_PIP_VERSION_CHECK="1")
        self.env.pop("PYTHONPATH", None)

    def run(self, *argv, check=True, **env):
        done = subprocess.run([str(a) for a in argv], env=dict(self.env, **env), cwd=self.work,
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if check and done.returncode:
            sys.exit(f"{' '.join(map(str, argv))}:\n{done.stdout}")
        return done

    def venv(self, name, *options):
        self.run("/usr/bin/python3", "-m", "venv", *options, self.work / name)
        return self.work / name / "bin" / "python"

    def use(self, python, inside):
        env = {k: v for k, v in self.env.items() if not k.startswith("PYLIBVU")}
        out = subprocess.run([str(python), "-c", USE], check=True, text=True, cwd="/", env=env,
                             stdout=subprocess.PIPE).stdout
        print(out, end="")
        assert str(inside) in out, f"libvu is not from {inside}"

    def need_index(self, python, *packages):
        done = self.run(python, "-m", "pip", "install", "-q", "--retries", "1", *packages, check=False)
        if done.returncode:
            print(done.stdout[-300:])
            print("skipped: no package index answers")
            sys.exit(77)

    def debian(self):
        python = self.venv("venv", "--system-site-packages")
        # A compiler of two words, as "ccache gcc" is one.
        self.run(python, "-m", "pip", "install", "-q", "--no-index", "--no-deps",
                 "--no-build-isolation", self.source, CC="env cc")
        self.use(python, pathlib.Path(self.build, "lib"))

    def wheel(self):
        builder = self.venv("builder", "--system-site-packages")
        self.run(builder, "-m", "pip", "wheel", "-q", "--no-index", "--no-deps",
                 "--no-build-isolation", "-w", self.work / "wheels", self.source, PYLIBVU_BUNDLE="1")
        wheel = next((self.work / "wheels").glob("*.whl"))
        self.is_for_all(wheel)
        python = self.venv("empty")
        self.run(python, "-m", "pip", "install", "-q", "--no-index", "--no-deps", wheel)
        self.lend_cffi(python)
        self.use(python, self.work / "empty")

    def is_for_all(self, wheel):
        """One for every CPython from 3.9 on, but for a free-threaded one, which has no stable interface."""
        modules = [n for n in zipfile.ZipFile(wheel).namelist() if n.startswith("pylibvu/_") and n.endswith(".so")]
        stable = not sysconfig.get_config_var("Py_GIL_DISABLED")
        assert len(modules) == 2 and all(n.endswith(".abi3.so") == stable for n in modules), modules
        assert ("-cp39-abi3-" in wheel.name) == stable, wheel.name

    def sdist(self):
        """Made in the tree; then there is neither a build folder nor an installed libvu."""
        tree = self.work / "tree"
        for name in ("lib", "include", "tests/frontend", "testing", "bindings/python"):
            shutil.copytree(self.root / name, tree / name, ignore=shutil.ignore_patterns(
                "__pycache__", "build", "*.egg-info"))
        shutil.copy(self.root / "LICENSE", tree)
        python = self.venv("venv", "--system-site-packages")
        alone = {"PYLIBVU_BUILD_DIR": "", "PKG_CONFIG": "false"}
        done = subprocess.run([python, "setup.py", "-q", "sdist", "-d", self.work / "dist"],
                              cwd=tree / "bindings/python", env=dict(self.env, **alone), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            sys.exit(done.stdout)
        shutil.rmtree(tree)
        made = next((self.work / "dist").glob("*.tar.gz"))
        self.run(python, "-m", "pip", "install", "-q", "--no-index", "--no-deps",
                 "--no-build-isolation", made, **alone)
        self.use(python, self.work / "venv")

    def lend_cffi(self, python):
        """cffi is the one thing that the wheel needs; Debian's files do for this environment."""
        site = next((python.parent.parent / "lib").glob("python*/site-packages"))
        system = pathlib.Path("/usr/lib/python3/dist-packages")
        for path in [*system.glob("cffi*"), *system.glob("pycparser*"), *system.glob("ply*"),
                     *system.glob(f"_cffi_backend{sysconfig.get_config_var('EXT_SUFFIX')}")]:
            (shutil.copytree if path.is_dir() else shutil.copy)(path, site / path.name)

    def index(self):
        python = self.venv("venv")
        self.need_index(python, "cffi", "setuptools")
        self.run(python, "-m", "pip", "install", "-q", self.source)
        self.use(python, pathlib.Path(self.build, "lib"))

    def mypy(self):
        python = self.venv("venv")
        self.need_index(python, "mypy")
        print(self.run(python, "-m", "mypy", "--strict", "--no-incremental",
                       self.source / "pylibvu").stdout)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    with tempfile.TemporaryDirectory(prefix="pylibvu-") as folder:
        getattr(Route(sys.argv[1], sys.argv[2], folder), sys.argv[3])()
