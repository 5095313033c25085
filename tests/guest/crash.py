#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-blk and vu-scsi are killed with SIGKILL at random moments while a guest writes and verifies
(verify.c): no write that was completed is lost, no request is completed twice or left open.

On a fast disk hardly a moment has a request in flight.  So it is stopped first, at random, and goes
on once more if its in-flight log says that there is none.
"""

import random
import re
import signal
import time

from typing import NamedTuple

from blk import disk
from blk_verify import DISK, verified, verifier, verify_until_told
from lib import Image, VhostUser, main
from scsi import host

QUEUES, QUEUE_SIZE = 2, 128
TRIES = 200
SETTLE = 1.5  # s: QEMU tries to reconnect once a second
AGAIN = re.compile(r"queue \d+: (\d+) requests of a crashed back-end are run again")


class Kind(NamedTuple):
    """A device that is killed."""

    name: str
    disk: str  # in the guest
    first: int  # queue of requests
    kills: int
    long_kills: int
    ring: str  # QEMU's property for the length of its queues


BLK = Kind("blk", "vda", 0, 5, 50, "queue_size")
SCSI = Kind("scsi", "sda", 2, 3, 20, "virtqueue_size")


def run_again(backend):
    """How many requests each successor found in flight, by its log."""
    with open(backend.log, encoding="utf-8", errors="replace") as log:
        return [int(n) for n in AGAIN.findall(log.read())]


def in_flight(backend, kind, packed):
    """Requests that the log of a stopped back-end has (vhost-user "Inflight I/O tracking")."""
    header, entry = (32, 32) if packed else (16, 16)
    part = (header + entry * QUEUE_SIZE + 63) // 64 * 64
    pid = backend.process.pid
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
        where = re.search(r"^(\w+)-(\w+) .*/memfd:vhost-user in-flight", maps.read(), re.M)
    if not where:
        return 0  # between two sessions
    start, end = (int(at, 16) for at in where.groups())
    with open(f"/proc/{pid}/mem", "rb") as memory:
        memory.seek(start)
        log = memory.read(end - start)
    return sum(log[queue * part + header + i * entry] == 1
               for queue in range(kind.first, kind.first + QUEUES) for i in range(QUEUE_SIZE))


def stop_with_requests(backend, kind, packed):
    """Stop it while it has requests, or anyhow after a while."""
    for _ in range(TRIES):
        backend.signal(signal.SIGSTOP)
        time.sleep(0.001)
        if in_flight(backend, kind, packed):
            return
        backend.signal(signal.SIGCONT)
        time.sleep(random.random() / 500)


def kill_and_restart(backend, kind, kills, packed):
    for _ in range(kills):
        time.sleep(SETTLE + random.random())
        stop_with_requests(backend, kind, packed)
        backend.kill()
        backend.start()


def killed(t, kind, serve, qemu=None, **props):
    """`serve` starts the back-end with an image."""
    kills = kind.long_kills if t.long else kind.kills
    image = Image(t.path("image"), DISK)
    device = {"reconnect": 1, "num_queues": QUEUES, kind.ring: QUEUE_SIZE} | props
    with serve(image) as backend, \
         t.qemu(VhostUser(kind.name, backend, **device), cpus=2, qemu=qemu, **verifier(t)) as guest:
        guest.until(f"[ -b /dev/{kind.disk} ]")
        with t.check(f"{t.name}_guest_loses_nothing_in_{kills}_kills_of_its_back_end"):
            job = verify_until_told(guest, threads=16, memory=40, name=kind.disk)
            kill_and_restart(backend, kind, kills, "packed" in props)
            time.sleep(SETTLE)
            job.write(b"stop\n")
            verified(t, job)
        with t.check(f"{t.name}_requests_in_flight_at_a_kill_are_run_again"):
            counts = run_again(backend)
            t.say(f"{sum(counts)} requests of {len(counts)} queues that were killed")
            assert sum(counts) > 0, "none was in flight at any kill"


def killed_blk(t, **props):
    killed(t, BLK, lambda image: disk(t, image, f"--num-queues={QUEUES}", "--direct"), **props)


def test_qemu(t):
    killed_blk(t)


def test_qemu_packed(t):
    killed_blk(t, packed="on")


def test_newer_qemu_scsi(t):
    """QEMU 7.2 does not connect a SCSI host again."""
    killed(t, SCSI, lambda image: host(t, f"0,file={image.path},direct"), qemu=t.newer_qemu)


if __name__ == "__main__":
    main()
