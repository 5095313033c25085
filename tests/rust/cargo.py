#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs cargo on a copy of the Rust crates, against a build folder.  cargo.py ROOT BUILD WHAT

WHAT is one of the functions below.  Status 77, with the reason, where there is no cargo.  Nothing is
fetched: what an optional feature needs is taken out of the copy if cargo does not have it.
"""
import os
import pathlib
import shutil
import subprocess
import sys

SKIPPED = 77


class Cargo:
    """The copy, and how cargo is called in it."""

    def __init__(self, root, build):
        self.root, self.build = root, build
        self.folder = build / "tests" / "rust"
        self.source = self.folder / "source"
        self.env = dict(os.environ, LIBVU_BUILD=str(build), CARGO_TARGET_DIR=str(self.folder / "target"),
                        CARGO_TERM_COLOR="never", CARGO_NET_OFFLINE="true")

    def copy(self):
        """Times stay as they are, so what did not change is not built again."""
        shutil.rmtree(self.source, ignore_errors=True)
        shutil.copytree(self.root / "bindings", self.source,
                        ignore=shutil.ignore_patterns("python", "glib", "target", "__pycache__"))

    def run(self, *arguments, **env):
        done = subprocess.run(["cargo", *arguments], cwd=self.source, env=dict(self.env, **env))
        if done.returncode:
            sys.exit(f"cargo {' '.join(arguments)}: status {done.returncode}")

    def has(self, component):
        return subprocess.run(["cargo", component, "--version"], cwd=self.source, env=self.env,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def current(cargo):
    """What is made from the headers is what they say now."""
    generate = cargo.root / "bindings" / "rust-sys" / "generate"
    sys.exit(subprocess.run([str(generate), "--check", str(cargo.build)]).returncode)


def sys_(cargo):
    cargo.run("test", "-p", "libvu-sys")


def lint(cargo):
    if cargo.has("clippy"):
        cargo.run("clippy", "--all-targets", "--", "-D", "warnings")
    if cargo.has("fmt"):
        cargo.run("fmt", "--check")
    cargo.run("doc", "--no-deps", RUSTDOCFLAGS="-D warnings")


def package(cargo):
    cargo.run("package", "--workspace", "--allow-dirty")


def main(root, build, what):
    if not shutil.which("cargo"):
        print("skipped: no cargo (scripts/setup rust)")
        return SKIPPED
    cargo = Cargo(root, build)
    if what != "current":
        cargo.copy()
    {"current": current, "sys": sys_, "lint": lint, "package": package}[what](cargo)
    return 0


sys.exit(main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]))
