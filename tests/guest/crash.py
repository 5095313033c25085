#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-blk is killed with SIGKILL at random moments while a guest writes and verifies (verify.c): no
write that was completed is lost, no request is completed twice or left open."""

import random
import re
import time

from blk import disk
from blk_verify import DISK, verified, verify, verifier
from lib import GuestError, Image, VhostUser, main

KILLS, LONG_KILLS = 5, 50
SETTLE = 1.5  # s: QEMU tries to reconnect once a second
AGAIN = re.compile(r"queue \d+: (\d+) requests of a crashed back-end are run again")


def run_again(blk):
    """How many requests each successor found in flight, by its log."""
    with open(blk.log, encoding="utf-8", errors="replace") as log:
        return [int(n) for n in AGAIN.findall(log.read())]


def kill_and_restart(blk, kills, seconds):
    """All within the time that the guest writes for."""
    end = time.monotonic() + seconds
    for number in range(kills):
        time.sleep(SETTLE + random.random())
        if time.monotonic() > end:
            raise GuestError(f"only {number} kills in {seconds} s")
        blk.kill()
        blk.start()


def killed(t, **props):
    kills = LONG_KILLS if t.long else KILLS
    seconds = int(kills * (SETTLE + 1.2)) + 4
    image = Image(t.path("image"), DISK)
    with disk(t, image, "--num-queues=2", "--direct") as blk, \
         t.qemu(VhostUser("blk", blk, reconnect=1, num_queues=2, **props), cpus=2,
                **verifier(t)) as guest:
        with t.check(f"{t.name}_guest_loses_nothing_in_{kills}_kills_of_its_back_end"):
            job = verify(t, guest, seconds, threads=16, memory=40)
            kill_and_restart(blk, kills, seconds)
            verified(t, job, seconds)
        with t.check(f"{t.name}_requests_in_flight_at_a_kill_are_run_again"):
            counts = run_again(blk)
            t.say(f"{sum(counts)} requests of {len(counts)} queues that were killed")
            assert sum(counts) > 0, "none was in flight at any kill"


def test_qemu(t):
    killed(t)


def test_qemu_packed(t):
    killed(t, packed="on")


if __name__ == "__main__":
    main()
