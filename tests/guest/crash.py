#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-blk is killed with SIGKILL at random moments while a guest writes and verifies (verify.c): no
write that was completed is lost, no request is completed twice or left open.

On a fast disk hardly a moment has a request in flight.  So it is stopped first, at random, and goes
on once more if its in-flight log says that there is none.
"""

import random
import re
import signal
import time

from blk import disk
from blk_verify import DISK, verified, verifier, verify_until_told
from lib import Image, VhostUser, main

KILLS, LONG_KILLS = 5, 50
QUEUES, QUEUE_SIZE = 2, 128
TRIES = 200
SETTLE = 1.5  # s: QEMU tries to reconnect once a second
AGAIN = re.compile(r"queue \d+: (\d+) requests of a crashed back-end are run again")


def run_again(blk):
    """How many requests each successor found in flight, by its log."""
    with open(blk.log, encoding="utf-8", errors="replace") as log:
        return [int(n) for n in AGAIN.findall(log.read())]


def in_flight(blk, packed):
    """Requests that the log of a stopped back-end has (vhost-user "Inflight I/O tracking")."""
    header, entry = (32, 32) if packed else (16, 16)
    part = (header + entry * QUEUE_SIZE + 63) // 64 * 64
    pid = blk.process.pid
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
        where = re.search(r"^(\w+)-(\w+) .*/memfd:vhost-user in-flight", maps.read(), re.M)
    if not where:
        return 0  # between two sessions
    start, end = (int(at, 16) for at in where.groups())
    with open(f"/proc/{pid}/mem", "rb") as memory:
        memory.seek(start)
        log = memory.read(end - start)
    return sum(log[queue * part + header + i * entry] == 1
               for queue in range(QUEUES) for i in range(QUEUE_SIZE))


def stop_with_requests(blk, packed):
    """Stop it while it has requests, or anyhow after a while."""
    for _ in range(TRIES):
        blk.signal(signal.SIGSTOP)
        time.sleep(0.001)
        if in_flight(blk, packed):
            return
        blk.signal(signal.SIGCONT)
        time.sleep(random.random() / 500)


def kill_and_restart(blk, kills, packed):
    for _ in range(kills):
        time.sleep(SETTLE + random.random())
        stop_with_requests(blk, packed)
        blk.kill()
        blk.start()


def killed(t, **props):
    kills = LONG_KILLS if t.long else KILLS
    image = Image(t.path("image"), DISK)
    device = {"reconnect": 1, "num_queues": QUEUES, "queue_size": QUEUE_SIZE} | props
    with disk(t, image, f"--num-queues={QUEUES}", "--direct") as blk, \
         t.qemu(VhostUser("blk", blk, **device), cpus=2, **verifier(t)) as guest:
        with t.check(f"{t.name}_guest_loses_nothing_in_{kills}_kills_of_its_back_end"):
            job = verify_until_told(guest, threads=16, memory=40)
            kill_and_restart(blk, kills, "packed" in props)
            time.sleep(SETTLE)
            job.write(b"stop\n")
            verified(t, job)
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
