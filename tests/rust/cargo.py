#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs cargo on a copy of the Rust crates, against a build folder.  cargo.py ROOT BUILD WHAT

WHAT is one of the functions below.  Status 77, with the reason, where there is no cargo.  Nothing is
fetched but by those that are of optional features: what these need is taken out of the copy if cargo
does not have it.
"""
import fcntl
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile

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
        return shutil.which(command[0]) is not None and subprocess.run(
            command, cwd=where or self.source, env=self.env, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL).returncode == 0

    def want(self, minor):
        """Skips where cargo is older than 1.MINOR, as Debian's is."""
        said = subprocess.run(["cargo", "--version"], cwd=self.source, env=self.env, text=True,
                              stdout=subprocess.PIPE).stdout
        if int(said.split()[1].split(".")[1]) < minor:
            print(f"skipped: {said.strip()}, and this wants 1.{minor}")
            sys.exit(SKIPPED)

    def host(self):
        said = subprocess.run(["rustc", "-vV"], cwd=self.source, text=True, check=True, stdout=subprocess.PIPE).stdout
        return said.split("host: ")[1].split()[0]

    def has_all(self, **env):
        """Whether cargo has all crates of Cargo.lock that are for this machine."""
        fetch = ("cargo", "fetch", "--locked", "--target", self.host())
        done = subprocess.run(fetch, cwd=self.source, env=dict(self.env, **env), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        self.said = done.stdout.strip()
        return done.returncode == 0

    def fetch(self):
        """What optional features need; skips where it cannot be had."""
        if self.complete:
            return
        self.copy()
        if not self.has_all(CARGO_NET_OFFLINE="false", CARGO_NET_RETRY="1", CARGO_HTTP_TIMEOUT="20"):
            print(self.said)
            print("skipped: cargo does not have the crates of the features, and cannot fetch them")
            sys.exit(SKIPPED)
        self.complete = True

    def alone(self):
        """Takes out of the copy what would have to be fetched: the crates of optional features."""
        for manifest in self.source.glob("*/Cargo.toml"):
            lines = [l for l in manifest.read_text().splitlines() if "optional = true" not in l]
            manifest.write_text(re.sub(r'"dep:\w+"(, )?', "", "\n".join(lines)) + "\n")
        (self.source / "Cargo.lock").unlink()

    def own_home(self):
        """A cargo home in which nothing is but what was fetched."""
        theirs = pathlib.Path(os.environ.get("CARGO_HOME", pathlib.Path.home() / ".cargo"))
        home = self.folder / "home"
        shutil.rmtree(home, ignore_errors=True)
        (home / "registry").mkdir(parents=True)
        for name in ("config.toml", "registry/cache", "registry/index"):
            if (theirs / name).exists():
                (home / name).symlink_to(theirs / name)
        return str(home)

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
    """The crate by itself, and what its documentation says; what must not compile does not for the reason named."""
    cargo.run("test", "-p", "libvu", "--lib", "--examples")
    cargo.run("test", "-p", "libvu", "--doc", RUSTC_BOOTSTRAP="1")  # else a compiler's release compares no codes


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
    play(cargo, cargo.folder / "target" / "debug" / "examples" / "contract")


def play(cargo, program):
    env = dict(cargo.env, CONTRACT_DEVICE=f"{program} --socket-path=",
               CONTRACT_TABLE=str(cargo.root / "tests" / "contract" / "table.txt"))
    sys.exit(subprocess.run([str(cargo.build / "tests" / "contract" / "contract")], env=env).returncode)


def lint(cargo):
    cargo.want(90)  # others have other opinions
    features = ["--all-features"] if cargo.complete else []
    if cargo.works("cargo", "clippy", "--version"):
        cargo.run("clippy", "--all-targets", *features, "--", "-D", "warnings")
    if cargo.works("cargo", "fmt", "--version"):
        cargo.run("fmt", "--check")
    cargo.run("doc", "--no-deps", *features, RUSTDOCFLAGS="-D warnings")


def oldest(cargo):
    """The oldest Rust that is promised: rustup's, or Debian 12's own."""
    for command in (["rustup", "run", "1.63.0", "cargo"], ["/usr/bin/cargo"]):
        if cargo.works(*command, "--version"):
            if cargo.complete:
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
    cargo.run("package", "--workspace", "--exclude", "libvu-tests", "--allow-dirty", CARGO_HOME=cargo.own_home())


def features(cargo):
    """The features log and tokio, against the test peer."""
    cargo.fetch()
    cargo.run("build", "-p", "libvu", "--example", "tokio_rng", "--features", "tokio")
    cargo.run("test", "-p", "libvu-tests", "--features", "log,tokio", "--test", "log", "--test", "tasks")
    cargo.run("test", "-p", "libvu-tests", "--test", "programs", "--", "tokio")
    cargo.run("test", "-p", "libvu", "--features", "tokio", "--doc", "tasks")
    cargo.run("test", "-p", "libvu-tests", "--features", "tokio", "--doc")


def tokio_example(cargo):
    """For tests/guest/rust.py."""
    cargo.fetch()
    cargo.run("build", "-p", "libvu", "--example", "tokio_rng", "--features", "tokio")


def asan(cargo):
    """The tests against the peer with the address sanitizer in Rust and, by the feature vendored, in C."""
    cargo.want(90)
    runtime = subprocess.run(["rustc", "--print", "target-libdir"], text=True, check=True, stdout=subprocess.PIPE).stdout
    if not list(pathlib.Path(runtime.strip()).glob("librustc-*_rt.asan.a")):
        print("skipped: this rustc has no address sanitizer")
        sys.exit(SKIPPED)
    cargo.fetch()
    del cargo.env["LIBVU_BUILD"]
    sanitize = f"-Zsanitizer=address -Lnative={cargo.folder}"
    cargo.run("test", "-p", "libvu-tests", "--features", "libvu/vendored,tokio,log", "--tests", "--target", cargo.host(),
              RUSTC_BOOTSTRAP="1", RUSTFLAGS=sanitize, CFLAGS="-fsanitize=address -fno-omit-frame-pointer",
              CARGO_TARGET_DIR=str(cargo.folder / "target-asan"), ASAN_OPTIONS="detect_stack_use_after_return=1")


def miri(cargo):
    """The crate's own tests as Miri runs them, which sees undefined behaviour, races and leaks."""
    if not has_miri(cargo):
        sys.exit(SKIPPED)
    flags = "-Zmiri-strict-provenance -Zmiri-symbolic-alignment-check -Zmiri-disable-isolation"
    cargo.run("miri", "test", "-p", "libvu", "--lib", cargo=("cargo", "+nightly"), MIRIFLAGS=flags,
              RUST_BACKTRACE="0",  # of the panics that are caught they take most of the time
              CARGO_TARGET_DIR=str(cargo.folder / "target-miri"))


def has_miri(cargo):
    """A nightly with all that it takes, none of which rustup is asked to fetch; Miri builds itself a standard library,
    for once, for which cargo may have to fetch crates."""
    known = shutil.which("rustup") and subprocess.run(["rustup", "toolchain", "list"], text=True,
                                                      stdout=subprocess.PIPE).stdout
    sysroot = re.search("^nightly", known or "", re.M) and subprocess.run(
        ["rustup", "run", "nightly", "rustc", "--print", "sysroot"], text=True, stdout=subprocess.PIPE).stdout.strip()
    wanted = ("bin/cargo-miri", "bin/miri", "lib/rustlib/src/rust/library")
    if not sysroot or not all((pathlib.Path(sysroot) / path).exists() for path in wanted):
        print("skipped: no Miri (rustup toolchain install nightly --component miri,rust-src)")
        return False
    for offline in ("true", "false"):
        setup = subprocess.run(["cargo", "+nightly", "miri", "setup"], cwd=cargo.source,
                               env=dict(cargo.env, CARGO_NET_OFFLINE=offline, CARGO_NET_RETRY="1"))
        if setup.returncode == 0:
            return True
    print("skipped: Miri has no standard library, and cannot build one")
    return False


def narrow(cargo):
    """libvu-sys where pointers have 32 bits: with the library compiled for it, if cargo has the crate cc; else the
    layouts alone, which are linked to nothing."""
    target = "i686-unknown-linux-gnu"
    libdir = subprocess.run(["rustc", "--print", "target-libdir", "--target", target], cwd=cargo.source, env=cargo.env,
                            text=True, stdout=subprocess.PIPE).stdout.strip()
    if not libdir or not list(pathlib.Path(libdir).glob("libstd-*.rlib")):
        print(f"skipped: no Rust for 32 bits (rustup target add {target})")
        sys.exit(SKIPPED)
    if not compiles_32():
        print("skipped: no C for 32 bits (Debian's gcc-multilib)")
        sys.exit(SKIPPED)
    del cargo.env["LIBVU_BUILD"]
    env = {"CARGO_TARGET_DIR": str(cargo.folder / "target-narrow")}
    if cargo.complete:
        cargo.run("test", "-p", "libvu-sys", "--features", "vendored", "--tests", "--target", target, **env)
    else:
        cargo.run("test", "-p", "libvu-sys", "--test", "layout", "--target", target, DOCS_RS="1", **env)


def compiles_32():
    done = subprocess.run(["cc", "-m32", "-x", "c", "-", "-o", "/dev/null"], input="#include <sys/uio.h>\nint main(void) {}\n",
                          text=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return done.returncode == 0


VENDORED = """[workspace]
members = ["program", "libvu-sys-{version}"]
resolver = "2"
[patch.crates-io]
libvu-sys = {{ path = "libvu-sys-{version}" }}
"""
PROGRAM = """[package]
name = "program"
version = "1.0.0"
edition = "2021"
[dependencies]
libvu = {{ path = "../libvu-{version}", features = ["vendored"] }}
"""


def vendored(cargo):
    """The packages as others get them, with the feature vendored: in a folder without this tree, with a cargo home of
    its own, where nobody knows a libvu.  The program is the device of tests/contract, played the table to."""
    cargo.want(90)
    cargo.fetch()
    home = cargo.own_home()
    done = subprocess.run(["cargo", "package", "--workspace", "--exclude", "libvu-tests", "--locked", "--allow-dirty",
                           "--no-verify"], cwd=cargo.root / "bindings", env=dict(cargo.env, CARGO_HOME=home))
    if done.returncode:
        sys.exit("cargo package, in the tree itself, failed")
    place = cargo.folder / "unpacked"
    shutil.rmtree(place, ignore_errors=True)
    crates = sorted((cargo.folder / "target" / "package").glob("libvu*.crate"))
    for crate in crates:
        with tarfile.open(crate) as archive:
            archive.extractall(place)
    version = crates[0].stem.rsplit("-", 1)[1]
    (place / "program" / "src").mkdir(parents=True)
    (place / "Cargo.toml").write_text(VENDORED.format(version=version))
    (place / "program" / "Cargo.toml").write_text(PROGRAM.format(version=version))
    shutil.copy(cargo.root / "bindings/rust-tests/examples/contract.rs", place / "program/src/main.rs")
    target = cargo.folder / "target-vendored"
    cargo.source = place
    cargo.env = {name: value for name, value in os.environ.items() if name not in ("LIBVU_BUILD", "LD_LIBRARY_PATH")}
    cargo.env.update(CARGO_HOME=home, CARGO_NET_OFFLINE="true", CARGO_TARGET_DIR=str(target), PKG_CONFIG="no-pkg-config",
                     CARGO_TERM_COLOR="never")
    cargo.run("test", "-p", "libvu-sys", "--features", "vendored")
    cargo.run("build", "-p", "program")
    program = target / "debug" / "program"
    needed = subprocess.run(["readelf", "-d", program], check=True, text=True, stdout=subprocess.PIPE).stdout
    if "libvu" in needed:
        sys.exit(f"{program} is linked to a shared libvu:\n{needed}")
    play(cargo, program)


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
        cargo.complete = cargo.has_all()
        if not cargo.complete:
            print("without optional features: cargo does not have their crates")
            cargo.alone()
    whats = {"sys": sys_} | {f.__name__: f for f in (
        current, safe, examples, release, contract, peer, lint, oldest, package, features, tokio_example, vendored, asan,
        miri, narrow)}
    whats[what](cargo)
    return 0


sys.exit(main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]))
