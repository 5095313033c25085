#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The harness itself, where Debian's User-mode Linux does not run: it takes one that does."""

import contextlib
import os
import subprocess
import sys

from lib import Image, Skip, VhostUser, main
from lib.kernel import Kernel
from lib.store import version_key
from lib.uml import fault_of, trial_of, usable

PANIC = 'Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b'
# what Linux before 6.13 does on processors with AMX
FAKE = f"""#!{sys.executable}
import os, re, sys, time
console = int(re.search(r"con0=null,fd:(\\d+)", " ".join(sys.argv))[1])
os.write(console, b"{PANIC}\\n")
time.sleep(0 if "quits" in sys.argv[0] else 3600)
"""


# what ptrace() of Linux does with all registers of a processor with AMX: registers.c
WITH_AMX = """2696: got 2696, EFAULT
11000: got 11000, EFAULT
11008: got 11008, put back
65536: got 11008, put back
"""
KNOWS_AMX = [6, 13]


@contextlib.contextmanager
def as_with_amx(t):
    """User-mode Linux sees a processor with AMX: amx.c."""
    with set_to("VU_UML_PRELOAD", t.program("as-with-amx.so")):
        yield


@contextlib.contextmanager
def set_to(name, value):
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


def fake_kernel(t, name):
    with open(t.path(name), "w", encoding="utf-8") as file:
        file.write(FAKE)
    os.chmod(t.path(name), 0o755)
    return t.path(name)


def test_installed_one_panics(t):
    image = Image(t.path("disk"), 16)
    t.newer_uml  # pylint: disable=pointless-statement
    for name in ("panics", "quits"):
        with set_to("VU_LINUX_UML", fake_kernel(t, name)), \
             t.backend("vu-blk", f"--blk-file={image.path}") as blk, \
             t.uml(VhostUser("blk", blk)) as guest:
            with t.check(f"a_newer_kernel_boots_where_the_installed_one_{name}"):
                release = guest.run("uname -r; test -b /dev/vda").text
                assert int(release.split(".")[0]) >= 7, f"this is Linux {release}"


def test_registers(t):
    with t.check("a_processor_with_amx_is_seen_by_ptrace"):
        done = subprocess.run([t.program("guest-registers")], capture_output=True, text=True, check=True,
                              env=os.environ | {"LD_PRELOAD": t.program("as-with-amx.so")})
        assert done.stdout == WITH_AMX, f"{done.stdout}{done.stderr}"


def test_amx_installed(t):
    image, installed = Image(t.path("disk"), 16), Kernel.uml()
    knows = version_key(installed.release)[:2] >= KNOWS_AMX
    with as_with_amx(t):
        with t.check("the_installed_kernel_panics_as_with_amx_if_it_is_older_than_6_13"):
            fault = fault_of(t.store, installed)
            assert fault == "" if knows else PANIC in fault, f"Linux {installed.release}: {fault}"
        with t.backend("vu-blk", f"--blk-file={image.path}") as blk, \
             t.uml(VhostUser("blk", blk)) as guest:
            with t.check("a_kernel_that_knows_amx_boots_as_with_amx"):
                release = guest.run("uname -r; test -b /dev/vda").text
                assert version_key(release)[:2] >= KNOWS_AMX, f"this is Linux {release}"


def test_amx_built(t):
    linux = t.built_uml
    with as_with_amx(t), t.backend("vu-rng") as rng, t.uml(VhostUser("rng", rng), linux=linux) as guest:
        with t.check("the_kernel_built_here_boots_as_with_amx"):
            guest.run("dd if=/dev/hwrng of=/dev/null bs=64 count=1")


def test_no_other(t):
    _, modules = t.newer_uml
    with t.check("a_kernel_that_does_not_reach_init_is_a_skip_with_its_panic_as_the_reason"):
        for _ in range(2):
            try:
                usable(t.store, (fake_kernel(t, "panics"), modules))
            except Skip as reason:
                assert "does not reach init" in str(reason) and PANIC in str(reason), str(reason)
            else:
                raise AssertionError("it was taken for a kernel that boots")
    with t.check("a_kernel_is_tried_once_in_a_run"):
        noted = t.store.recall(trial_of(t.path("panics")))
        assert noted and PANIC in noted, f"noted: {noted}"


if __name__ == "__main__":
    main()
