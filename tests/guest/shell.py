#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""scripts/guest: a guest on any socket, for people on a terminal and for scripts."""

import os
import pty
import re
import select
import signal
import socket
import subprocess
import time
from unittest import mock

from lib import main, patience

GUEST = f"{os.path.dirname(os.path.abspath(__file__))}/../../scripts/guest"


OLD_QEMU = """#!/bin/sh
case "$*" in
--version) echo "QEMU emulator version 1.2.3 (Some)" ;;
*) echo "Device 'it' not found" ;;
esac
"""


def guest(*arguments):
    """(status, what it wrote, what it said) of scripts/guest, without a terminal."""
    done = subprocess.run([GUEST, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=patience.SECONDS, check=False)
    return done.returncode, done.stdout, done.stderr


def refused(reason, *arguments):
    status, out, err = guest(*arguments)
    assert (status, out) == (125, "") and re.search(reason, err), f"{status} {out!r} {err}"


class Terminal:
    """scripts/guest on a terminal."""

    def __init__(self, *arguments):
        self._text = b""
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.execv(GUEST, [GUEST, *arguments])

    def wait(self, pattern):
        limit = patience.end()
        while not (found := re.search(pattern, self._text)):
            left = limit - time.monotonic()
            assert left > 0, f"no {pattern} in {self._text.decode(errors='replace')}"
            if select.select([self._fd], [], [], left)[0]:
                self._text += os.read(self._fd, 4096)
        self._text = self._text[found.end():]
        return found

    def type(self, keys):
        os.write(self._fd, keys)

    def status(self):
        """Its exit status, when it has ended by itself."""
        try:
            while os.read(self._fd, 4096):
                pass
        except OSError:
            pass  # nobody has the terminal any more
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_refusals(t):
    with t.check("guest_says_what_is_wrong_with_a_socket"):
        path = t.path("none")
        refused("none: No such file or directory: is the back-end running", path, "--command", "true")
        refused("not a socket; give", GUEST, "--command", "true")
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(path)
        refused("nobody listens", path, "--command", "true")
    with t.backend("minimal-rng") as rng:
        with t.check("guest_wants_a_terminal_or_a_command"):
            refused("no terminal; --command", rng.socket)
        with t.check("guest_says_that_somebody_else_is_connected"), \
             socket.socket(socket.AF_UNIX) as other:
            other.connect(rng.socket)
            refused("a front-end is connected already", rng.socket, "--command", "true")
        with t.check("guest_says_which_devices_this_qemu_does_not_have"):
            refused("device tree", rng.socket, "--type", "scmi", "--command", "true")
            with open(t.path("qemu"), "w", encoding="utf-8") as qemu:
                qemu.write(OLD_QEMU)
            os.chmod(t.path("qemu"), 0o755)
            with mock.patch.dict(os.environ, VU_QEMU=t.path("qemu")):
                for kind in ("console", "vsock"):
                    refused(f"version 1.2.3 has n.*vhost-user-{kind}-pci", rng.socket, "--type", kind,
                            "--command", "true")
            with mock.patch.dict(os.environ, VU_QEMU="no-such-qemu"):
                refused("no no-such-qemu", rng.socket, "--command", "true")


def test_command(t):
    with t.backend("minimal-rng") as rng:
        with t.check("guest_runs_a_command_and_ends_with_its_status_and_nothing_else_in_its_output"):
            status, out, err = guest(rng.socket, "--command", "head -c 8 /dev/hwrng | wc -c; exit 7")
            assert (status, out) == (7, "8\n"), f"{status} {out!r}"
            assert re.search(r"qemu\S* .*-device vhost-user-rng-pci,", err), err


def test_terminal(t):
    with t.backend("minimal-rng") as rng:
        terminal = Terminal(rng.socket)
        try:
            with t.check("guest_writes_qemus_line_and_has_a_shell_on_the_terminal"):
                terminal.wait(rb"qemu\S* .*-device vhost-user-rng-pci,")
                terminal.wait(rb"Try: +head .*hwrng[^#]*guest# ")
                terminal.type(b"head -c 8 /dev/hwrng | wc -c | sed s/^/bytes=/\n")
                terminal.wait(rb"\nbytes=8\r")
            with t.check("guest_leaves_ctrl_c_to_the_guest"):
                terminal.type(b"(echo wa''it; exec sleep 1000)\n")
                terminal.wait(rb"\nwait\r")
                terminal.type(b"\x03")
                terminal.wait(rb"guest# ")
            with t.check("guest_ends_when_its_shell_does"):
                terminal.type(b"exit\n")
                status = terminal.status()
                terminal.pid = None
                assert status == 0, status
        finally:
            if terminal.pid:
                os.kill(terminal.pid, signal.SIGHUP)
                os.waitpid(terminal.pid, 0)


if __name__ == "__main__":
    main()
