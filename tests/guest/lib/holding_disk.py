# SPDX-License-Identifier: MIT
"""A disk that keeps requests and leaves them behind: holding_disk.py SOCKET IMAGE hold|serve

With "hold" it answers until the first write comes; that one and what follows it stay unanswered, and
are left when the queue stops.  With "serve" it answers all, and tells what it was left.
"""

import mmap
import sys

import pylibvu

IN, OUT, GET_ID = 0, 1, 8
OK = b"\0"


class HoldingDisk(pylibvu.Device):
    device_id = 2
    capacity = pylibvu.U64()
    rest = pylibvu.Bytes(52)

    def __init__(self, data, holds):
        super().__init__()
        self.data, self.holds, self.held, self.left = data, holds, [], 0
        self.capacity = len(data) // 512

    @pylibvu.queue(0)
    def requests(self, req):
        kind, _, sector = req.unpack("<IIQ")
        if self.holds and (self.held or kind == OUT):
            self.held.append(req)
            tell(f"holding {len(self.held)}")
            return
        if req.resubmitted:
            self.left += 1
            tell(f"was left {self.left}")
        room, start = req.writable_len - 1, sector * 512
        if kind == IN:
            req.write(self.data[start:start + room])
        elif kind == OUT:
            data = req.read()
            self.data[start:start + len(data)] = data
        elif kind == GET_ID:
            req.write(b"holding".ljust(room, b"\0"))
        req.write(OK, at=room)
        req.complete()

    def queue_stop(self, queue):
        for req in self.held:
            if not req.leave():
                sys.exit("the front-end takes no requests back")
        tell(f"left behind {len(self.held)}")
        self.held = []

    def failed(self, req, error):
        sys.exit(f"failed: {error}")


def tell(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    with open(sys.argv[2], "r+b") as image:
        pylibvu.serve(HoldingDisk(mmap.mmap(image.fileno(), 0), sys.argv[3] == "hold"), sys.argv[1])
