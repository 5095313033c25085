#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An entropy device (virtio 1.3 §5.4).  rng.py SOCKET [FILE]

Serves random bytes, or those of FILE again and again: a guest whose randomness repeats is a way to
reproduce what it did.
"""
import os
import sys

import pylibvu


class Rng(pylibvu.Device):
    device_id = 4

    def __init__(self, source=None):
        super().__init__()
        self.source = source

    @pylibvu.queue(0)
    def requests(self, req):
        with req:
            if self.source is None:
                req.write(os.urandom(min(req.writable_len, 65536)))
                return
            data = self.source.read(min(req.writable_len, 65536))
            if not data:
                self.source.seek(0)
                data = self.source.read(min(req.writable_len, 65536))
            req.write(data)


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    pylibvu.serve(Rng(open(sys.argv[2], "rb") if len(sys.argv) > 2 else None), sys.argv[1])
