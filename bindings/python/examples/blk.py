#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A disk in a bytearray that fails on command (virtio 1.3 §5.2).  blk.py SOCKET IMAGE [N]

IMAGE is copied into memory.  From the N-th write on, each one fails with an I/O error; SIGUSR1 makes
writes fail from now on, SIGUSR2 mends the disk.  Watch the guest's file system react.
"""
import signal
import sys

import pylibvu

IN, OUT, FLUSH, GET_ID = 0, 1, 4, 8
OK, IOERR, UNSUPP = b"\0", b"\1", b"\2"


class Blk(pylibvu.Device):
    device_id = 2
    seg_max_offered = pylibvu.Feature(2)
    flush = pylibvu.Feature(9)

    capacity = pylibvu.U64()
    size_max = pylibvu.U32()
    seg_max = pylibvu.U32(default=126)
    blk_size = pylibvu.U32(offset=20, default=512)
    rest = pylibvu.Bytes(36)

    def __init__(self, data, fail_at=0):
        super().__init__()
        self.data = data
        self.capacity = len(data) // 512
        self.writes, self.fail_at = 0, fail_at

    @pylibvu.queue(0)
    def requests(self, req):
        kind, _, sector = req.unpack("<IIQ")
        start, room = sector * 512, req.writable_len - 1
        if kind == IN and start + room <= len(self.data):
            for view in req.views(True, 0, room):
                view[:] = self.data[start:start + len(view)]
                start += len(view)
            status = OK
        elif kind == OUT and start + req.readable_len - 16 <= len(self.data):
            status = self.write(req, start)
        elif kind == GET_ID:
            req.write(b"bytearray".ljust(20, b"\0")[:room])
            status = OK
        else:
            status = OK if kind == FLUSH else IOERR if kind in (IN, OUT) else UNSUPP
        req.write(status, at=req.writable_len - 1)
        req.complete()

    def write(self, req, start):
        self.writes += 1
        if self.fail_at and self.writes >= self.fail_at:
            return IOERR
        for view in req.views(False, 16):
            self.data[start:start + len(view)] = view
            start += len(view)
        return OK

    def failed(self, req, error):
        req.write(IOERR, at=req.writable_len - 1)
        req.complete()


if __name__ == "__main__":
    if not 3 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    with open(sys.argv[2], "rb") as image:
        disk = Blk(bytearray(image.read()), int(sys.argv[3]) if len(sys.argv) > 3 else 0)
    signal.signal(signal.SIGUSR1, lambda *_: setattr(disk, "fail_at", 1))
    signal.signal(signal.SIGUSR2, lambda *_: setattr(disk, "fail_at", 0))
    pylibvu.serve(disk, sys.argv[1])
