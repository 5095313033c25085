# SPDX-License-Identifier: MIT
"""Packages of newer Debian suites, unpacked in the cache folder; nothing is installed.

apt gets a sources list and folders of its own; the machine's stay as they are.
"""

import glob
import os
import re
import shutil
import subprocess
import tempfile

from .errors import Skip
from .kernel import cache_folders

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class Packages:
    """Some packages of one suite; their files are below the folder that `tree` returns."""

    def __init__(self, suite, *names):
        self.suite, self.names = suite, names

    def tree(self, may_fetch, say):
        """The folder with the unpacked packages; raises Skip with the reason when there is none."""
        label = f"{self.suite}-{self.names[0]}"
        for cache in cache_folders():
            if os.path.isdir(f"{cache}/{label}"):
                return f"{cache}/{label}"
        if not may_fetch:
            raise Skip(f"{self.names[0]} of {self.suite} is not in the cache; --fetch gets it")
        if not shutil.which("apt-get"):
            raise Skip(f"no apt here to get {self.names[0]} of {self.suite} with")
        cache = next((c for c in cache_folders() if os.access(c, os.W_OK)), cache_folders()[0])
        say(f"fetching {', '.join(self.names)} of {self.suite} into {cache}")
        try:
            os.makedirs(cache, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=cache, prefix="fetch.") as work:
                os.rename(self._unpack(work), f"{cache}/{label}")
        except OSError as error:
            raise Skip(f"cannot keep {label} in {cache}: {error.strerror}") from error
        return f"{cache}/{label}"

    def _unpack(self, work):
        for folder in ("lists/partial", "cache/archives/partial", "debs", "tree"):
            os.makedirs(f"{work}/{folder}")
        with open(f"{work}/sources.list", "w", encoding="utf-8") as sources:
            sources.write(f"deb [signed-by={KEYRING}] {_mirror()} {self.suite} main\n")
        self._apt(work, "update")
        self._apt(work, "download", *self.names)
        for package in glob.glob(f"{work}/debs/*.deb"):
            subprocess.run(["dpkg", "-x", package, f"{work}/tree"], check=True)
        os.chmod(f"{work}/tree", 0o755)
        return f"{work}/tree"

    def _apt(self, work, *command):
        options = {
            "Dir::Etc::sourcelist": f"{work}/sources.list", "Dir::Etc::sourceparts": "-",
            "Dir::State::lists": f"{work}/lists", "Dir::Cache": f"{work}/cache",
            "APT::Sandbox::User": "root", "Acquire::Languages": "none", "Acquire::Retries": "2",
            "Acquire::http::Timeout": "20", "Debug::NoLocking": "1",
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
        }
        argv = ["apt-get", "-q", "-t", self.suite]
        for name, value in options.items():
            argv += ["-o", f"{name}={value}"]
        done = subprocess.run(argv + list(command), cwd=f"{work}/debs", stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
        # update ends well even if it could not reach anything
        errors = re.findall(r"^[EW]: .*", done.stdout, re.M)
        if done.returncode or command[0] == "update" and errors:
            raise Skip(f"cannot get {self.names[0]} of {self.suite}: "
                       f"{errors[0] if errors else done.stdout[-200:]}")


def _mirror():
    """The mirror that this machine uses for Debian itself."""
    for path in ["/etc/apt/sources.list", *glob.glob("/etc/apt/sources.list.d/*")]:
        try:
            with open(path, encoding="utf-8") as file:
                text = file.read()
        except OSError:
            continue
        found = re.search(r"^(?:URIs:|deb(?: \[[^]]*\])?)\s+(\S+/debian)/?(?:\s|$)", text, re.M)
        if found:
            return found.group(1)
    raise Skip("no Debian mirror in /etc/apt/sources.list or sources.list.d")


def newer_qemu(may_fetch, say):
    """QEMU 10 of bookworm-backports as a program that finds its own libraries and firmware."""
    if not os.path.exists("/usr/bin/qemu-system-x86_64"):
        raise Skip("the newer QEMU uses libraries of the distribution's: run scripts/setup guest")
    tree = Packages("bookworm-backports", "qemu-system-x86", "qemu-system-common",
                    "qemu-system-data", "seabios").tree(may_fetch, say)
    program = f"{tree}/qemu"
    if not os.path.exists(program):
        script = f"""#!/bin/sh
export LD_LIBRARY_PATH={tree}/usr/lib/x86_64-linux-gnu
export QEMU_MODULE_DIR={tree}/usr/lib/x86_64-linux-gnu/qemu
exec {tree}/usr/bin/qemu-system-x86_64 -L {tree}/usr/share/qemu -L {tree}/usr/share/seabios "$@"
"""
        with open(f"{program}.{os.getpid()}", "w", encoding="utf-8") as file:
            file.write(script)
        os.chmod(f"{program}.{os.getpid()}", 0o755)
        os.rename(f"{program}.{os.getpid()}", program)
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    if version.returncode:
        raise Skip(f"the newer QEMU does not start: {version.stderr.strip()[:200]}")
    say(version.stdout.split("\n", maxsplit=1)[0])
    return program


def newer_uml(may_fetch, say):
    """User-mode Linux of sid: (program, folder of modules).  It brings its own C library."""
    if not shutil.which("patchelf"):
        raise Skip("no patchelf: run scripts/setup guest")
    tree = Packages("sid", "user-mode-linux", "libc6").tree(may_fetch, say)
    modules = sorted(glob.glob(f"{tree}/usr/lib/uml/modules/*"))
    program = f"{tree}/linux.uml"
    if not modules:
        raise Skip("sid's user-mode-linux has no modules")
    if not os.path.exists(program):
        copy = f"{program}.{os.getpid()}"
        shutil.copy(f"{tree}/usr/bin/linux.uml", copy)
        done = subprocess.run(
            ["patchelf", "--set-interpreter", f"{tree}/usr/lib64/ld-linux-x86-64.so.2",
             "--set-rpath", f"{tree}/usr/lib/x86_64-linux-gnu", copy],
            capture_output=True, text=True, check=False)
        if done.returncode:
            raise Skip(f"patchelf: {done.stderr.strip()[:200]}")
        os.rename(copy, program)
    return program, modules[-1]
