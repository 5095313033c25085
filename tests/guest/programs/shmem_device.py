#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A back-end for shmem.py: what it maps, guests see; what they write there, it tells.

shmem_device.py SOCKET window|doorbell
"""

import os
import sys

import pylibvu

PAGE, SIZE = 4096, 1 << 20
GREETING = b"Hello, guest"


def say(text):
    print(text, flush=True)


class Window(pylibvu.Device):
    """To the guest a balloon, with two regions of shared memory."""

    device_id = 5
    n_queues = 2
    shmem = {0: SIZE, 1: SIZE}

    def __init__(self):
        super().__init__(config=bytes(8))
        self.file = os.memfd_create("window")
        os.ftruncate(self.file, 2 * PAGE)
        os.pwrite(self.file, GREETING, 0)
        self.seen = bytes(4)

    def started(self):
        self.map_shmem(1, 8 * PAGE, self.file, 2 * PAGE, done=lambda error: say(error or "mapped"))
        self.eye = self.timer(self.look)
        self.eye.start(0.05, 0.05)

    def shmem_lost(self):
        say("lost")

    def look(self):
        found = os.pread(self.file, 4, PAGE)
        if found != self.seen:
            self.seen = found
            say(f"the guest wrote {int.from_bytes(found, 'little'):#x}")


class Doorbell(pylibvu.Device):
    """Entropy, asked for at a page of ours."""

    device_id = 4
    host_notifiers = True

    def started(self):
        page = os.memfd_create("doorbell")
        os.ftruncate(page, PAGE)
        self.queues[0].set_host_notifier(page, done=lambda error: say(error or "mapped"))
        os.close(page)

    @pylibvu.queue(0)
    def requests(self, req):
        req.write(os.urandom(min(req.writable_len, 4096)))
        req.complete()


if __name__ == "__main__":
    pylibvu.serve({"window": Window, "doorbell": Doorbell}[sys.argv[2]](), sys.argv[1])
