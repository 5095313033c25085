#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An entropy device (virtio 1.3 §5.4).  rng.py SOCKET [FILE] [--control WHERE]

Serves random bytes, or those of FILE again and again: a guest whose randomness repeats is a way to
reproduce what it did.  WHERE is "-" for commands on standard input, or the path of a socket for them
(socat - UNIX:WHERE): "source FILE" and "source" change what is served, "bytes" tells how much was.
"""
import contextlib
import os
import sys

import pylibvu


class Rng(pylibvu.Device):
    device_id = 4

    def __init__(self, source=None):
        super().__init__()
        self.source, self.served, self.control = source, 0, None

    @pylibvu.queue(0)
    def requests(self, req):
        with req:
            data = self.take(min(req.writable_len, 65536))
            self.served += len(data)
            req.write(data)

    def take(self, size):
        if self.source is None:
            return os.urandom(size)
        data = self.source.read(size)
        if not data:
            self.source.seek(0)
            data = self.source.read(size)
            if self.control is not None:
                self.control.say("the file begins again")
        return data

    @pylibvu.command("source", "[FILE]", most=1)
    def set_source(self, _script, path=None):
        """serve the bytes of a file, or random ones"""
        try:
            self.source = None if path is None else open(path, "rb")
        except OSError as error:
            raise pylibvu.Refused(f"{path}: {error.strerror}") from None

    @pylibvu.command("bytes")
    def count(self, script):
        """how many were served"""
        script.answer(str(self.served))

    def controlled(self, where):
        """Takes commands from there until the end of the block."""
        self.control = pylibvu.Script(self.own_group, [self.set_source, self.count], where)
        return self.control


if __name__ == "__main__":
    *words, where = sys.argv[1:] if "--control" in sys.argv[-2:-1] else [*sys.argv[1:], None]
    words = [word for word in words if word != "--control"]
    if not 1 <= len(words) <= 2:
        sys.exit(__doc__)
    rng = Rng(open(words[1], "rb") if len(words) > 1 else None)
    with rng.controlled(where) if where else contextlib.nullcontext():
        pylibvu.serve(rng, words[0])
