# SPDX-License-Identifier: MIT
"""A back-end process: ours, or any other that listens on a Unix socket."""

import os
import signal
import time

from . import patience, process
from .errors import GuestError, Skip

LISTENING, CONNECTED = 0x10000, 3  # __SO_ACCEPTCON, SS_CONNECTED in /proc/net/unix


def connections(path):
    """(somebody listens at that path, somebody is connected), as far as this machine tells.

    Without connecting: a connection would be a session that nobody asked for.
    """
    listening = connected = False
    names = (path, os.path.abspath(path), os.path.basename(path))  # it may have been bound by any
    with open("/proc/net/unix", encoding="utf-8", errors="replace") as table:
        for line in table:
            fields = line.split(maxsplit=7)
            if len(fields) == 8 and fields[7].rstrip("\n") in names:
                listening = listening or int(fields[3], 16) & LISTENING != 0
                connected = connected or int(fields[5], 16) == CONNECTED
    return listening, connected


class Backend:
    """Runs `argv`; a "{socket}" in it stands for the socket's path.

    The log has both output streams.  Leaving the `with` block sends SIGTERM, and any other end than
    exit status 0 fails the test: a sanitizer's report or a crash does not go unnoticed.
    """

    def __init__(self, argv, folder, name):
        self.socket = os.path.join(folder, f"{name}.sock")
        self.log = os.path.join(folder, f"{name}.log")
        self.name = name
        self.argv = [str(a).replace("{socket}", self.socket) for a in argv]
        self.process = None
        self.start()

    def start(self):
        """Starts the program, again after stop() or kill(); returns when it listens."""
        log = open(self.log, "ab")
        try:
            self.process = process.spawn(self.argv, log)
        except FileNotFoundError:
            raise Skip(f"{self.argv[0]} is not there") from None
        finally:
            log.close()
        limit = patience.end()
        while not connections(self.socket)[0]:
            if self.process.poll() is not None:
                raise GuestError(f"{self.name} ended with {self.process.returncode} before it "
                                 f"listened:\n{self.tail()}")
            if time.monotonic() > limit:
                process.end(self.process)
                raise GuestError(f"{self.name} does not listen after {patience.SECONDS:.0f} s:\n{self.tail()}")
            time.sleep(0.01)

    def tail(self, lines=12):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return "".join(log.readlines()[-lines:])

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """The crash: SIGKILL, nothing cleaned up."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """SIGTERM; raises if the program does not end well."""
        if self.process.poll() == -signal.SIGKILL:
            return
        status = process.end(self.process, patience.SECONDS)
        if status != 0:
            raise GuestError(f"{self.name} ended with status {status}:\n{self.tail()}")

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            self.stop()
        except GuestError:
            if kind is None:
                raise
