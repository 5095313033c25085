# SPDX-License-Identifier: MIT
"""Byte streams of the programs that we start, and how these programs end.

A Stream owns one file descriptor.  Its thread moves everything into a buffer and a log file, so a
guest never blocks on us and nothing that it said is lost.
"""

import collections
import ctypes
import os
import re
import signal
import subprocess
import threading
import time


OVERLAP = 512
Found = collections.namedtuple("Found", "start end groups")


class Stream:
    def __init__(self, fd, log):
        self._fd = fd
        self._log = open(log, "ab", buffering=0)
        self._data = bytearray()
        self._changed = threading.Condition()
        self.closed = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        while True:
            try:
                piece = os.read(self._fd, 65536)
            except OSError:
                piece = b""
            with self._changed:
                if piece:
                    self._data += piece
                    self._log.write(piece)
                else:
                    self.closed = True
                self._changed.notify_all()
            if not piece:
                return

    def write(self, data):
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view):]

    def mark(self):
        """A position: what comes from now on."""
        with self._changed:
            return len(self._data)

    def since(self, mark=0):
        with self._changed:
            return bytes(self._data[mark:])

    def search(self, pattern, mark=0, timeout=0.0):
        """A Found, or None after `timeout` seconds or at the stream's end.

        What `pattern` matches must fit in OVERLAP bytes: each byte is looked at about once.
        """
        pattern = re.compile(pattern, re.M)
        end = time.monotonic() + timeout
        with self._changed:
            while True:
                match = pattern.search(self._data, mark)
                if match:
                    return Found(match.start(), match.end(), [bytes(g or b"") for g in match.groups()])
                left = end - time.monotonic()
                if self.closed or left <= 0:
                    return None
                mark = max(mark, len(self._data) - OVERLAP)
                self._changed.wait(left)

    def tail(self, lines=12):
        return b"\n".join(self.since().rstrip().splitlines()[-lines:]).decode(errors="replace")

    def close(self):
        self._thread.join(2)
        os.close(self._fd)
        self._log.close()


PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def spawn(argv, log, **kw):
    """Starts a program in a session of its own; it does not outlive us, however we end."""
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                            start_new_session=True, **kw,
                            preexec_fn=lambda: LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL))


def end(process, patience=3.0):
    """Ends a process that we started in a session of its own, politely first; its exit status."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(patience)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.wait()


def sweep(process):
    """Kills what an ended process left in its session."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
