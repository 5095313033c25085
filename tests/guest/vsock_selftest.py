#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The kernel's own vsock_test, both of its ends in one guest: vu-vsock's hairpin leads back to it.

Of its 41 tests all run.  Test 29 (what becomes of a socket whose transport changes) does nothing
here: it looks for transports in /proc/kallsyms, and this kernel has none.  Some want that 2 MiB are
sent before the other end reads, hence the buffers.  "transport change" interrupts connections as they
begin, and may leave one on its way as it ends, which the next test then takes for its own: it runs by
itself.  vsock_diag_test and vsock_uring_test ask the kernel of the sockets, not the device.
"""

import re

from lib import Skip, VhostUser, main

BOTH = """\
ifconfig lo up
both() {
    at=$1; shift
    vsock_test --mode=server --control-port=$at --peer-cid=2 "$@" >/tmp/server.$at 2>&1 &
    until grep -q listening /tmp/server.$at; do usleep 10000; done
    if vsock_test --mode=client --control-host=127.0.0.1 --control-port=$at --peer-cid=2 "$@" \\
           >/tmp/client.$at 2>&1 && wait $!
    then
        grep -v skipped /tmp/client.$at
    else
        tail -n 2 /tmp/client.$at /tmp/server.$at
        exit 1
    fi
}
alone=$(vsock_test --mode=client --control-port=1 --control-host=127.0.0.1 --peer-cid=2 --list |
        sed -n 's/^\\([0-9]*\\).*transport change.*/\\1/p')
both 1 --skip=$alone
both 2 --pick=$alone
vsock_test --mode=client --control-port=1 --control-host=127.0.0.1 --peer-cid=2 --list | sed 's/^/listed /'
"""
SECONDS = 15  # it waits much by itself


def program(t):
    """vsock_test, which costs 160 MB of packages where it is not in the cache."""
    if not (t.long or t.store.may_build or t.store.find("vsock-test-*")):
        raise Skip("no vsock_test in the cache; ./scripts/test full builds it")
    return t.vsock_test


def test_uml7(t):
    test = program(t)
    with t.backend("vu-vsock", "--forward=*=hairpin", "--buffer-size=4M",
                   "--max-buffered=8G") as vsock, \
         t.uml(VhostUser("vsock", vsock), linux=t.newer_uml, memory=512,
               programs=[test]) as guest, \
         t.check("uml7_kernels_own_vsock_test_passes_over_the_hairpin"):
        said = guest.run(BOTH, SECONDS).text
        ran = re.findall(r"^(\d+) - .*\.\.\.(?:.*\n)?ok$", said, re.M)
        left = set(re.findall(r"^listed (\d+)", said, re.M)) - set(ran)
        assert not left, f"{sorted(left, key=int)} did not run: {said}"
        kinds = [len(re.findall(rf"^\d+ - SOCK_{kind} ", said, re.M))
                 for kind in ("STREAM", "SEQPACKET")]
        assert len(ran) == sum(kinds) >= 41 and all(kinds), said
        t.say(f"{kinds[0]} tests of STREAM and {kinds[1]} of SEQPACKET")


if __name__ == "__main__":
    main()
