# SPDX-License-Identifier: MIT
"""The kernel's own tests of its drivers, built from Debian's kernel source; nothing in them changes."""

import glob
import os

from .drivers import unpack_source
from .errors import Skip
from .fetch import Packages
from .store import first_error, needed

SUITE, SERIES = "sid", "7.2"
VSOCK = "tools/testing/vsock"
PARTS = ("vsock_test.c", "vsock_test_zerocopy.c", "timeout.c", "control.c", "util.c",
         "msg_zerocopy_common.c")
# of its Makefile; what warns is the kernel's to mend
FLAGS = ("-O2", "-w", "-fno-strict-overflow", "-fno-strict-aliasing", "-fno-common",
         "-U_FORTIFY_SOURCE", "-D_GNU_SOURCE", "-static", "-pthread")


def vsock_test(store):
    """The program vsock_test; raises Skip where it cannot be had.  150 MB of packages, some seconds."""
    tree = store.find(f"vsock-test-{SERIES}*")
    if not tree:
        if not store.may_fetch:
            raise Skip("vsock_test of the kernel's is not in the cache; --fetch builds it")
        needed("gcc", "xz")
        tree = store.make("vsock_test", f"vsock-test-{SERIES}*", lambda work: _build(store, work))
    return f"{tree}/vsock_test"


def _build(store, work):
    package = Packages(SUITE, f"linux-source-{SERIES}")
    store.say(f"fetching {package.names[0]}, for the kernel's tests of AF_VSOCK")
    deb = package.fetch(store, work)[0]
    unpack_source(deb, SERIES, work, [VSOCK, "tools/include"])
    source = glob.glob(f"{work}/linux-source-*/{VSOCK}")[0]
    made = f"{work}/vsock-test-{os.path.basename(deb).split('_')[1]}"
    os.mkdir(made)
    argv = ["gcc", *FLAGS, "-I../../include", "-o", f"{made}/vsock_test", *PARTS]
    if store.run("building vsock_test", argv, f"{made}/log", cwd=source):
        raise Skip(f"vsock_test cannot be built: {first_error(f'{made}/log')}")
    return made
