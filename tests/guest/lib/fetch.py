# SPDX-License-Identifier: MIT
"""Debian packages, unpacked in the cache folder; nothing is installed.

apt gets a sources list and folders of its own; the machine's stay as they are.
"""

import glob
import os
import re
import shutil
import subprocess

from .errors import Skip
from .store import needed

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class Packages:
    """Some packages of one suite; their files are below the folder that `tree` returns.

    `whole`: with everything that they depend on, down to the C library.  `arch`: those of another
    architecture.  With a package of a kernel come those of this kernel that it depends on.
    """

    def __init__(self, suite, *names, whole=False, arch=None):
        self.suite, self.names, self.whole, self.arch = suite, names, whole, arch

    def tree(self, store):
        """The folder with the unpacked packages; raises Skip with the reason when there is none."""
        label = f"{self.suite}-{self.names[0]}"
        if store.find(label):
            return store.find(label)
        if not store.may_fetch:
            raise Skip(f"{self.names[0]} of {self.suite} is not in the cache; --fetch gets it")
        return store.make(label, label, lambda work: self.unpack(store, work, label))

    def unpack(self, store, work, name="tree"):
        """Fetches into the folder `work`; the folder `name` below it with the packages' files."""
        store.say(f"fetching {', '.join(self.names)} of {self.suite}")
        tree = f"{work}/{name}"
        os.makedirs(tree)
        for package in self.fetch(store, work):
            subprocess.run(["dpkg", "-x", package, tree], check=True)
        return tree

    def fetch(self, store, work):
        """The .deb files, fetched into the folder `work`."""
        needed("apt-get", "dpkg")
        for folder in ("lists/partial", "cache/archives/partial", "debs"):
            os.makedirs(f"{work}/{folder}", exist_ok=True)
        with open(f"{work}/sources.list", "w", encoding="utf-8") as sources:
            arch = f"arch={self.arch} " if self.arch else ""
            sources.write(f"deb [{arch}signed-by={KEYRING}] {_mirror(self.suite)} {self.suite} "
                          "main\n")
        self._apt(store, work, "update")
        if not self.whole:
            kernels = {k for n in self.names for k in kernels_of(n, self._options(work))}
            self._apt(store, work, "download", *self.names, *kernels)
            return sorted(glob.glob(f"{work}/debs/*.deb"))
        self._apt(store, work, "install", "-y", "--download-only", "--no-install-recommends",
                  *self.names)
        return sorted(glob.glob(f"{work}/cache/archives/*.deb"))

    def _options(self, work):
        options = {
            "Dir::Etc::sourcelist": f"{work}/sources.list", "Dir::Etc::sourceparts": "-",
            "Dir::State::lists": f"{work}/lists", "Dir::Cache": f"{work}/cache",
            "APT::Sandbox::User": "root", "Acquire::Languages": "none", "Acquire::Retries": "2",
            "Acquire::http::Timeout": "20", "Debug::NoLocking": "1",
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
        }
        if self.whole or self.arch:  # a machine with nothing on it: apt finds all that is needed
            with open(f"{work}/status", "a", encoding="utf-8"):
                options["Dir::State::status"] = f"{work}/status"
        if self.arch:
            options |= {"APT::Architecture": self.arch, "APT::Architectures": self.arch}
        return [word for name, value in options.items() for word in ("-o", f"{name}={value}")]

    def _apt(self, store, work, *command):
        argv = ["apt-get", "-q", "-t", self.suite, *self._options(work)]
        log = f"{work}/log.{command[0]}"
        status = store.run(f"apt-get {command[0]}", argv + list(command), log, cwd=f"{work}/debs")
        with open(log, encoding="utf-8", errors="replace") as file:
            said = file.read()
        # update ends well even if it could not reach anything
        errors = re.findall(r"^[EW]: .*", said, re.M)
        if status or command[0] == "update" and errors:
            raise Skip(f"cannot get {self.names[0]} of {self.suite}: "
                       f"{errors[0] if errors else said[-200:]}")


def _mirror(suite):
    """The mirror that this machine uses for Debian itself, or for its security updates."""
    for path in ["/etc/apt/sources.list", *glob.glob("/etc/apt/sources.list.d/*")]:
        try:
            with open(path, encoding="utf-8") as file:
                text = file.read()
        except OSError:
            continue
        found = re.search(r"^(?:URIs:|deb(?: \[[^]]*\])?)\s+(\S+/debian)/?(?:\s|$)", text, re.M)
        if found:
            return found.group(1) + ("-security" if suite.endswith("-security") else "")
    raise Skip("no Debian mirror in /etc/apt/sources.list or sources.list.d")


class OwnPackages(Packages):
    """Packages of the release that this machine runs, by its own sources and lists."""

    def __init__(self, *names):
        super().__init__("this release", *names)

    def fetch(self, store, work):
        needed("apt-get", "dpkg")
        os.makedirs(f"{work}/debs", exist_ok=True)
        log = f"{work}/log.download"
        argv = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download"]
        names = [n for name in self.names for n in (name, *kernels_of(name))]
        if store.run("apt-get download", argv + names, log, cwd=f"{work}/debs"):
            with open(log, encoding="utf-8", errors="replace") as file:
                errors = re.findall(r"^E: .*", file.read(), re.M)
            raise Skip(f"cannot get {self.names[0]}: {(errors or ['apt-get download failed'])[0]}")
        return sorted(glob.glob(f"{work}/debs/*.deb"))


def kernels_of(name, options=()):
    """What a package of a kernel needs of the other packages made with that kernel."""
    if not name.startswith("linux-"):
        return []
    said = subprocess.run(["apt-cache", *options, "depends", name], capture_output=True, text=True,
                          check=False)
    found = re.findall(r"^ *Depends: (linux-\S+)$", said.stdout, re.M)
    # that of sid is in packages of its own: the image's name stands for what it depends on
    return found + [k for below in found for k in kernels_of(below, options)]


def runner(tree, name, script):
    """A program made of a shell script in an unpacked tree, for what has to be told where it is."""
    program = f"{tree}/{name}"
    try:
        with open(f"{program}.{os.getpid()}", "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + script)
        os.chmod(f"{program}.{os.getpid()}", 0o755)
        os.rename(f"{program}.{os.getpid()}", program)
    except OSError as error:
        if not os.access(program, os.X_OK):  # somebody else's cache: it is there already
            raise Skip(f"cannot write {program}: {error.strerror}") from error
    return program


def relocated(tree, binary):
    """A copy of a program that finds the C library it came with."""
    program = f"{tree}/{os.path.basename(binary)}"
    if not os.path.exists(program):
        copy = f"{program}.{os.getpid()}"
        shutil.copy(f"{tree}/{binary}", copy)
        set_interpreter(tree, copy)
        os.rename(copy, program)
    return program


def set_interpreter(tree, program):
    """Let a program use the C library of an unpacked tree."""
    needed("patchelf")
    done = subprocess.run(
        ["patchelf", "--set-interpreter", f"{tree}/usr/lib64/ld-linux-x86-64.so.2",
         "--set-rpath", f"{tree}/usr/lib/x86_64-linux-gnu", program],
        capture_output=True, text=True, check=False)
    if done.returncode:
        raise Skip(f"patchelf: {done.stderr.strip()[:200]}")
