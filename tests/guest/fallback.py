#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The harness itself, where Debian's User-mode Linux does not run: it takes one that does."""

import os
import sys

from lib import Image, Skip, VhostUser, main
from lib.uml import usable

PANIC = 'Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b'
# what Linux before 6.13 does on processors with AMX
FAKE = f"""#!{sys.executable}
import os, re, sys, time
console = int(re.search(r"con0=null,fd:(\\d+)", " ".join(sys.argv))[1])
os.write(console, b"{PANIC}\\n")
time.sleep(0 if "quits" in sys.argv[0] else 3600)
"""


def fake_kernel(t, name):
    with open(t.path(name), "w", encoding="utf-8") as file:
        file.write(FAKE)
    os.chmod(t.path(name), 0o755)
    return t.path(name)


def test_installed_one_panics(t):
    image = Image(t.path("disk"), 16)
    t.newer_uml  # pylint: disable=pointless-statement
    for name in ("panics", "quits"):
        os.environ["VU_LINUX_UML"] = fake_kernel(t, name)
        try:
            with t.backend("vu-blk", f"--blk-file={image.path}") as blk, \
                 t.uml(VhostUser("blk", blk)) as guest:
                with t.check(f"a_newer_kernel_boots_where_the_installed_one_{name}"):
                    release = guest.run("uname -r; test -b /dev/vda").text
                    assert int(release.split(".")[0]) >= 7, f"this is Linux {release}"
        finally:
            del os.environ["VU_LINUX_UML"]


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
        fault = f"start of {t.path('panics')}"
        assert PANIC in t.store.recall(fault), f"noted: {t.store.recall(fault)}"


if __name__ == "__main__":
    main()
