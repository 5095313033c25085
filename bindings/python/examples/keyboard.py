#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A keyboard that types what a script says (virtio 1.3 §5.8).  keyboard.py SOCKET [SCRIPT]

A line of SCRIPT (default: standard input) is "SECONDS KEY...": wait, then press and release the keys,
by their Linux numbers.  Events that the driver has no buffers for are kept.
"""
import struct
import sys
import threading
import time
from collections import deque

import pylibvu

ID_NAME, EV_BITS, EV_KEY = 0x01, 0x11, 1


class Keyboard(pylibvu.Device):
    device_id = 18
    select = pylibvu.U8(writable=True)
    subsel = pylibvu.U8(writable=True)
    size = pylibvu.U8()
    payload = pylibvu.Bytes(128, offset=8)

    def __init__(self, keys):
        super().__init__()
        self.events = deque()
        self.bits = sum({1 << k for k in keys}).to_bytes(128, "little").rstrip(b"\0")

    def config_written(self, offset, length):
        answer = b""
        if self.select == ID_NAME:
            answer = b"pylibvu keyboard"
        elif (self.select, self.subsel) == (EV_BITS, EV_KEY):
            answer = self.bits
        self.size, self.payload = len(answer), answer

    def type(self, keys):
        """Device thread: press and release."""
        for state in (1, 0):
            for key in keys:
                self.events.append(struct.pack("<HHI", EV_KEY, key, state))
            self.events.append(struct.pack("<HHI", 0, 0, 0))
        self.deliver(self.queues[0])

    @pylibvu.queue(0, pull=True)
    def deliver(self, queue):
        while self.events:
            req = queue.next()
            if req is None:
                return  # we are called again when the driver adds buffers
            with req:
                req.write(self.events.popleft())

    @pylibvu.queue(1)
    def leds(self, req):
        req.complete()


def play(keyboard, script):
    for pause, keys in script:
        time.sleep(pause)
        keyboard.call(keyboard.type, keys)


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    lines = [line.split() for line in (open(sys.argv[2]) if len(sys.argv) > 2 else sys.stdin)]
    steps = [(float(line[0]), [int(key) for key in line[1:]]) for line in lines if line]
    device = Keyboard({key for _, keys in steps for key in keys})
    threading.Thread(target=play, args=(device, steps), daemon=True).start()
    pylibvu.serve(device, sys.argv[1])
