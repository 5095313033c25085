#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-fs is killed with SIGKILL under a guest that works on its share, and started again with its state
file: the guest notices nothing but a pause.

No QEMU device of this kind connects again or keeps a log of requests in flight: lib/keeper.py is
between QEMU and vu-fs, and does both.
"""

import contextlib
import os
import random
import re
import tempfile
import time

from fs_moves import finish, start_work, wait_work
from lib import VhostUser, main
from lib.keeper import Keeper

KILLS, LONG_KILLS = 6, 50
QUEUES, QUEUE_SIZE = 2, 256


def known_again(backend):
    """What each successor said that it found again."""
    with open(backend.log, encoding="utf-8", errors="replace") as log:
        return re.findall(r"(\d+) of (\d+) inodes and (\d+) of (\d+) open files of before", log.read())


def test_qemu(t):
    if os.geteuid():
        t.skip("qemu_guest_works_on_while_vu_fs_is_killed", "file handles are for root")
        return
    kills = LONG_KILLS if t.long else KILLS
    # A file system with file handles; the folder of logs may be on an overlay, which has none.
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="libvu-fs-share-") as share, \
         tempfile.NamedTemporaryFile(dir="/dev/shm", prefix="libvu-fs-state-") as state, \
         t.backend("vu-fs", f"--shared-dir={share}", f"--num-request-queues={QUEUES}",
                   f"--state-file={state.name}") as fs, \
         contextlib.closing(Keeper(fs, t.path(""), 1 + QUEUES, QUEUE_SIZE)) as keeper, \
         t.qemu(VhostUser("fs", keeper, tag="fs", num_request_queues=QUEUES, queue_size=QUEUE_SIZE),
                cpus=2) as guest:
        with t.check(f"qemu_guest_works_on_while_vu_fs_is_killed_{kills}_times"):
            start_work(guest)
            done = wait_work(guest, 0)
            for _ in range(kills):
                time.sleep(random.random() / 4)
                fs.kill()
                fs.start()
                done = wait_work(guest, done)
            rounds = finish(guest, share)
            # One may have been accepted by a program that was just being killed.
            assert keeper.connections > kills, keeper.connections
            t.say(f"{rounds} rounds")
        with t.check("qemu_all_that_the_guest_knew_was_known_again"):
            counts = known_again(fs)
            t.say(f"{sum(int(c[0]) for c in counts)} inodes and {sum(int(c[2]) for c in counts)} open files "
                  f"in {len(counts)} starts")
            assert len(counts) == kills and all(int(c[0]) and c[2] == c[3] for c in counts), counts


if __name__ == "__main__":
    main()
