# SPDX-License-Identifier: MIT
"""A guest under QEMU with its shell on our own terminal: for people, where Machine is for scripts."""

import os
import shlex
import signal
import subprocess
import sys

from .qemu import Qemu


class Terminal(Qemu):
    """`greeting`: what the guest says before its first prompt."""

    def __init__(self, *args, greeting, files=None, **kw):
        super().__init__(*args, files={**(files or {}), "/greeting": greeting.encode()}, **kw)

    def sit(self):
        """Boots, and returns QEMU's exit status when its user has left."""
        argv = [str(a) for a in self.line(["-serial", "mon:stdio"], "console=ttyS0 quiet panic=-1 "
                                          "vu.shell=ttyS0") + ["-no-reboot"]]
        self.say(f"QEMU's command line:\n{shlex.join(argv)}")
        self.say(f"booting Linux {self.kernel.release}; its shell comes in some seconds")
        sys.stderr.flush()
        old = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the guest's
        try:
            return subprocess.call(argv, preexec_fn=lambda: signal.signal(signal.SIGINT, old))
        finally:
            signal.signal(signal.SIGINT, old)
            _sane_terminal()


def _sane_terminal():
    """QEMU puts it right unless it was killed."""
    if os.isatty(0):
        subprocess.call(["stty", "sane"])
