#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""QEMU 11 with inflight-migration=on: requests may stay in the log while a guest changes hands.

A live migration with a copy of memory needs a dirty log, which libvu does not have; here the guest
moves to another QEMU on the same host, with the same memory, and to other back-ends.
"""

import contextlib
import functools
import os
import re
import tempfile
import time

from blk import disk, file_system
from blk_verify import DISK, verifier
from lib import Image, VhostUser, main, patience
from python_rng import python

GET_VRING_BASE_INFLIGHT = 1 << 20
SECONDS = 5
VERIFY = f"""(guest-verify /dev/vda {SECONDS} 4 16 >/tmp/out 2>&1; echo $? >/tmp/status) \
</dev/null >/dev/null 2>&1 &
sleep 1"""
RESULT = "while [ ! -e /tmp/status ]; do usleep 50000; done; tail -n 1 /tmp/out; cat /tmp/status"
WRITES = """
for i in 0 1 2 3 4 5 6 7; do
    (yes "block $i" | dd of=/dev/vda bs=4096 count=1 seek=$((i * 8)) oflag=direct iflag=fullblock \
        2>/dev/null; echo "$i $?" >>/tmp/written) </dev/null >/dev/null 2>&1 &
done"""


def log(backend):
    with open(backend.log, encoding="utf-8", errors="replace") as file:
        return file.read()


def wait_log(backend, text):
    limit = patience.end()
    while text not in log(backend):
        assert time.monotonic() < limit, f"no {text!r}: {backend.tail()}"
        time.sleep(0.02)


def features(backend):
    """The protocol features that the front-end chose."""
    return int(re.search(r" SET_PROTOCOL_FEATURES\(u64 0x([0-9a-f]+)\)", log(backend))[1], 16)


@contextlib.contextmanager
def machines(t, backends, **options):
    """A guest and the QEMU that waits for it."""
    devices = [VhostUser("blk", b, num_queues=1, inflight_migration="on") for b in backends]
    # Not in the scratch folder, which may be on an overlay: back-ends do not map files of those.
    with tempfile.NamedTemporaryFile(dir="/dev/shm", prefix="libvu-ram-") as ram:
        boot = functools.partial(t.qemu, qemu=t.newest_qemu, ram=ram.name, **options)
        with boot(devices[0]) as first, boot(devices[1], successor=True) as second:
            yield first, second


def test_qemu11(t):
    file_system(t, functools.partial(t.qemu, qemu=t.newest_qemu), queues=2, num_queues=4,
                inflight_migration="on")


def test_qemu11_handed_over(t):
    image = Image(t.path("image"), DISK)
    # The second program of a migration does not mind that the first one has locked the image.
    with disk(t, image, "--verbose") as here, \
            disk(t, image, "--verbose", "--locking=off") as there:
        with machines(t, (here, there), **verifier(t)) as (first, second):
            with t.check("qemu11_chooses_to_leave_requests_in_flight"):
                assert features(here) & GET_VRING_BASE_INFLIGHT, f"{features(here):#x}"
            with t.check("qemu11_guest_verifies_while_it_is_handed_over_to_another_back_end"):
                first.run(VERIFY)
                first.hand_over(second)
                said = second.run(RESULT, SECONDS).text
                assert said.endswith("all as written\n0"), said
                t.say(said.split("\n", maxsplit=1)[0])
            with t.check("qemu11_takes_the_log_of_requests_in_flight_along"):
                # the second QEMU asks for none: it has one already
                assert "SET_INFLIGHT_FD" in log(there) and "GET_INFLIGHT_FD" not in log(there)


def test_qemu11_left_behind(t):
    """Requests that the first back-end never answers."""
    image, program = Image(t.path("image"), 1), f"{os.path.dirname(__file__)}/lib/holding_disk.py"
    runs = [t.peer(verb, *python(t), program, "{socket}", image.path, verb)
            for verb in ("hold", "serve")]
    with runs[0] as hold, runs[1] as serve:
        with machines(t, (hold, serve)) as (first, second):
            with t.check("qemu11_guest_waits_for_writes_that_nobody_answers"):
                first.run(WRITES)
                wait_log(hold, "holding 8\n")
                first.run("[ ! -e /tmp/written ]")
            with t.check("qemu11_guest_finds_them_answered_once_it_was_handed_over"):
                first.hand_over(second)
                said = second.run("while [ $(cat /tmp/written | wc -l) != 8 ]; do usleep 50000; done; "
                                  "sort /tmp/written").text
                assert said == "\n".join(f"{i} 0" for i in range(8)), said
                assert "left behind 8\n" in log(hold), hold.tail()
                assert "was left 8\n" in log(serve), serve.tail()
                for i in range(8):
                    data = image.read(i << 15, 4096)
                    assert data == (b"block %d\n" % i * 512)[:4096], f"block {i}: {data[:16]}"


if __name__ == "__main__":
    main()
