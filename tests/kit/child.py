# SPDX-License-Identifier: MIT
"""Programs that a test starts.

None outlives the test, however that ends: one that did would hold the test's output open, and whoever reads it waits.
"""
import atexit
import ctypes
import os
import re
import signal
import subprocess
import time

HANG = 600  # seconds, to find out that nothing comes: only what hangs takes so long
GRACE = 30  # seconds to end in peace, for whom nobody waits any more
PR_SET_PDEATHSIG = 1
LISTENS = 0x10000  # __SO_ACCEPTCON
LIBC = ctypes.CDLL(None)


class Child(subprocess.Popen):
    """A program that ends with its `with` block, else with the test's process or the thread that started it."""

    def __init__(self, argv, **options):
        super().__init__(argv, preexec_fn=_die_with_the_test, **options)  # pylint: disable=subprocess-popen-preexec-fn
        atexit.register(self.end)

    def end(self):
        atexit.unregister(self.end)
        try:
            self.terminate()
            self.wait(GRACE)
        except subprocess.TimeoutExpired:
            self.kill()
            self.wait()

    def __exit__(self, *why):
        self.end()
        super().__exit__(*why)


def _die_with_the_test():
    """Also where the test is killed."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def listens(path):
    """Does somebody listen there?

    Nobody connects to find out: that would be a session, of which some back-ends serve only one.  The path is the one
    that was bound, of any bytes.
    """
    with open('/proc/net/unix', 'rb') as table:
        sockets = table.read()
    line = rb'^\S+: \S+ \S+ (\S+) \S+ \S+ +\d+ ' + re.escape(os.fsencode(path)) + rb'\n(?=\S+: |\Z)'
    return any(int(flags, 16) & LISTENS for flags in re.findall(line, sockets, re.M))


def wait_until_it_listens(path, child):
    """A socket's file is there a moment before somebody listens, and until then nobody can connect."""
    until = time.monotonic() + HANG
    while not listens(path):
        assert child.poll() is None, f'{child.args} ended with {child.returncode} before it listened at {path}'
        assert time.monotonic() < until, f'{child.args} does not listen at {path}'
        time.sleep(0.01)
