# SPDX-License-Identifier: MIT
"""The other side of a device: a client of its --control socket."""

import select
import socket
import time

from . import patience
from .errors import GuestError


EVENT = "* "  # how lines begin that are no answers


class Control:
    """Gives commands and hears what the device says by itself, on two connections."""

    def __init__(self, path):
        self.path = path
        self._answers, self._events = _Lines(path), _Lines(path)
        self.say("help")  # an answer says that both have been accepted

    def say(self, line):
        """The lines that were answered, joined; raises if it was an error."""
        self._answers.send(line)
        answered = []
        while True:
            got = self._answers.next()
            if got == "ok":
                return "\n".join(answered)
            if got.startswith("error: "):
                raise GuestError(f"{self.path}: {line!r}: {got}")
            if not got.startswith(EVENT):
                answered.append(got)

    def hear(self, wanted=None):
        """The next line that the device says by itself; with `wanted`, goes on until it says that."""
        while True:
            got = self._events.next(wanted).removeprefix(EVENT)
            if wanted in (None, got):
                return got

    def close(self):
        self._answers.close()
        self._events.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class _Lines:
    def __init__(self, path):
        self._path, self._held = path, b""
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)

    def send(self, line):
        self._socket.sendall(line.encode() + b"\n")

    def next(self, wanted=None):
        limit = patience.end()
        while b"\n" not in self._held:
            left = limit - time.monotonic()
            if left <= 0 or not select.select([self._socket], [], [], left)[0]:
                raise GuestError(f"{self._path} said nothing for {patience.SECONDS:.0f} s"
                                 + (f", {wanted!r} was expected" if wanted else ""))
            data = self._socket.recv(4096)
            if not data:
                raise GuestError(f"{self._path} was closed")
            self._held += data
        line, self._held = self._held.split(b"\n", 1)
        return line.decode()

    def close(self):
        self._socket.close()
