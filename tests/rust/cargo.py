#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs cargo on a copy of the Rust crates, against a build folder.  cargo.py ROOT BUILD WHAT

WHAT is one of the functions below.  Status 77, with the reason, where there is no cargo.  Nothing is
fetched: what an optional feature needs is taken out of the copy if cargo does not have it.
"""
import fcntl
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
        libraries = f"{build}/lib:{self.folder}:{os.environ.get('LD_LIBRARY_PATH', '')}".rstrip(":")
        self.env = dict(os.environ, LIBVU_BUILD=str(build), CARGO_TARGET_DIR=str(self.folder / "target"),
                        CARGO_TERM_COLOR="never", CARGO_NET_OFFLINE="true",
                        LD_LIBRARY_PATH=libraries)

    def copy(self):
        """Times stay as they are, so what did not change is not built again."""
        shutil.rmtree(self.source, ignore_errors=True)
        shutil.copytree(self.root / "bindings", self.source,
                        ignore=shutil.ignore_patterns("python", "glib", "target", "__pycache__"))
        (self.folder / "docs").mkdir(exist_ok=True)
        shutil.copy2(self.root / "docs" / "rust.md", self.folder / "docs")  # its listings are tests

    def works(self, *command, where=None):
        return subprocess.run(command, cwd=where or self.source, env=self.env, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode == 0

    def want(self, minor):
        """Skips where cargo is older than 1.MINOR, as Debian's is."""
        said = subprocess.run(["cargo", "--version"], cwd=self.source, env=self.env, text=True,
                              stdout=subprocess.PIPE).stdout
        if int(said.split()[1].split(".")[1]) < minor:
            print(f"skipped: {said.strip()}, and this wants 1.{minor}")
            sys.exit(SKIPPED)

    def alone(self):
        """Takes out of the copy what would have to be fetched: the crate of the feature log."""
        manifest = self.source / "rust" / "Cargo.toml"
        lines = [l for l in manifest.read_text().splitlines() if not l.startswith("log = ")]
        manifest.write_text("\n".join(lines) + "\nlog = []\n")
        (self.source / "Cargo.lock").unlink()

    def run(self, *arguments, cargo=("cargo",), **env):
        done = subprocess.run([*cargo, *arguments], cwd=self.source, env=dict(self.env, **env))
        if done.returncode:
            sys.exit(f"cargo {' '.join(arguments)}: status {done.returncode}")


def current(cargo):
    """What is made from the headers is what they say now."""
    generate = cargo.root / "bindings" / "rust-sys" / "generate"
    sys.exit(subprocess.run([str(generate), "--check", str(cargo.build)]).returncode)


def sys_(cargo):
    cargo.run("test", "-p", "libvu-sys")


def safe(cargo):
    """The crate by itself, and what its documentation says."""
    cargo.run("test", "-p", "libvu")


def examples(cargo):
    """For tests/guest/rust.py."""
    cargo.run("build", "-p", "libvu", "--examples")


def release(cargo):
    """For tests/bench/python_devices.py."""
    cargo.run("build", "-p", "libvu", "--examples", "--release")


def peer(cargo):
    examples(cargo)
    cargo.run("test", "-p", "libvu-tests")


def contract(cargo):
    """The device of tests/contract, played the table to."""
    cargo.run("build", "-p", "libvu-tests", "--example", "contract")
    program = cargo.folder / "target" / "debug" / "examples" / "contract"
    env = dict(cargo.env, CONTRACT_DEVICE=f"{program} --socket-path=",
               CONTRACT_TABLE=str(cargo.root / "tests" / "contract" / "table.txt"))
    sys.exit(subprocess.run([str(cargo.build / "tests" / "contract" / "contract")], env=env).returncode)


def lint(cargo):
    cargo.want(90)  # others have other opinions
    if cargo.works("cargo", "clippy", "--version"):
        cargo.run("clippy", "--all-targets", "--", "-D", "warnings")
    if cargo.works("cargo", "fmt", "--version"):
        cargo.run("fmt", "--check")
    cargo.run("doc", "--no-deps", RUSTDOCFLAGS="-D warnings")
    if cargo.has_log:
        cargo.run("check", "-p", "libvu", "--features", "log")


def oldest(cargo):
    """The oldest Rust that is promised: rustup's, or Debian 12's own."""
    for command in (["rustup", "run", "1.63.0", "cargo"], ["/usr/bin/cargo"]):
        if cargo.works(*command, "--version"):
            if cargo.has_log:
                cargo.alone()
            rustc = {} if command[0] == "rustup" else {"RUSTC": "/usr/bin/rustc"}
            target = str(cargo.folder / "target-oldest")
            cargo.run("test", cargo=command, CARGO_TARGET_DIR=target, **rustc)
            return
    print("skipped: neither rustup's 1.63.0 nor Debian's cargo")
    sys.exit(SKIPPED)


def package(cargo):
    """With a home of its own: cargo keeps there, by the folder's path, what it unpacked of libvu-sys at an earlier
    run, and would check libvu against that."""
    cargo.want(90)  # before, a crate that needs an unpublished one could not be packaged
    theirs = pathlib.Path(os.environ.get("CARGO_HOME", pathlib.Path.home() / ".cargo"))
    home = cargo.folder / "home"
    shutil.rmtree(home, ignore_errors=True)
    (home / "registry").mkdir(parents=True)
    for name in ("config.toml", "registry/cache", "registry/index"):
        if (theirs / name).exists():
            (home / name).symlink_to(theirs / name)
    cargo.run("package", "--workspace", "--exclude", "libvu-tests", "--allow-dirty", CARGO_HOME=str(home))


def main(root, build, what):
    if what != "current" and not shutil.which("cargo"):
        print("skipped: no cargo (scripts/setup rust)")
        return SKIPPED
    cargo = Cargo(root, build)
    if what != "current" and not cargo.works("cargo", "--version", where=root):
        print("skipped: cargo does not work (is it rustup's, without a toolchain?)")
        return SKIPPED
    lock = open(cargo.folder / "lock", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)  # one copy for all that run at a time
    if what != "current":
        cargo.copy()
        cargo.has_log = cargo.works("cargo", "fetch", "--locked")
        if not cargo.has_log:
            print("without the feature log: cargo does not have the crate")
            cargo.alone()
    whats = {"current": current, "sys": sys_, "safe": safe, "examples": examples, "release": release, "contract": contract,
             "peer": peer, "lint": lint, "oldest": oldest, "package": package}
    whats[what](cargo)
    return 0


sys.exit(main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]))
