#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Two guests of one vu-vsock: one of them, and the host's programs that it talks to, are killed at random moments while
bytes are on their way.  The other guest hears nothing of it, and nothing is left.
"""

import contextlib
import os
import random
import socket
import subprocess
import threading
import time

from lib import Control, VhostUser, main, patience

CALM, WILD = 1000, 1001  # ports of the host's; nobody kills those of the first
GUEST_ECHO = 2000
CONNECTIONS, BYTES = 8, 65536
KILLS, LONG_KILLS = 3, 30
MOST = 0.7  # s until a guest is killed


class Programs:
    """A program of the host's for each connection to a path, which sends back what comes; `wild`: some are killed."""

    def __init__(self, path, wild=False):
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(100)
        self._running, self._ends, self.killed = [], False, 0
        threads = [self._accept, self._kill] if wild else [self._accept]
        self._threads = [threading.Thread(target=work, daemon=True) for work in threads]
        for thread in self._threads:
            thread.start()

    def _accept(self):
        while not self._ends:
            with contextlib.suppress(OSError):
                client, _ = self._listener.accept()
                with client:
                    # pylint: disable-next=consider-using-with
                    self._running.append(subprocess.Popen(["cat"], stdin=client, stdout=client, stderr=subprocess.DEVNULL))
            for one in [one for one in self._running if one.poll() is not None]:
                self._running.remove(one)

    def _kill(self):
        while not self._ends:
            time.sleep(random.random() / 20)
            with contextlib.suppress(IndexError):
                random.choice(self._running).kill()
                self.killed += 1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._ends = True
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()
        for one in self._running:
            one.kill()
            one.wait()


def pump(path, ends):
    """Bytes for the echo in the guest, whose answers are read now and then, until the guest is gone; and again."""
    while not ends.is_set():
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(0.1)
            sock.connect(path)
            while not ends.is_set():
                sock.sendall(bytes(random.randrange(1, BYTES)))
                sock.recv(BYTES)
        time.sleep(0.02)


def descriptors(backend):
    return len(os.listdir(f"/proc/{backend.process.pid}/fd"))


def wait_for(what, wanted):
    end = patience.end()
    while (got := what()) != wanted:
        assert time.monotonic() < end, f"{got} instead of {wanted}"
        time.sleep(0.1)


def load(guest):
    """All that it does fails now and then."""
    guest.run(f"guest-vsock echo stream {GUEST_ECHO} >/tmp/serve 2>&1 & "
              "until grep -q ready /tmp/serve; do usleep 10000; done; "
              f"for i in 1 2; do while :; do guest-vsock many stream 2 {WILD} {CONNECTIONS} {BYTES}; done "
              ">/dev/null 2>&1 & done")


def kills(t, boot, n, path, programs):
    """A guest after the other, none of which ends well."""
    ends = threading.Event()
    pumps = [threading.Thread(target=pump, args=(path, ends), daemon=True) for _ in range(3)]
    for thread in pumps:
        thread.start()
    try:
        for _ in range(n):
            with boot() as guest:
                load(guest)
                killed = programs.killed
                wait_for(lambda: programs.killed > killed, True)  # pylint: disable=cell-var-from-loop
                time.sleep(random.random() * MOST)
                guest.kill()
    finally:
        ends.set()
        for thread in pumps:
            thread.join()
    t.say(f"{n} guests were killed")


def calm_down(guest):
    """What the other guest did meanwhile."""
    said = guest.run("touch /tmp/stop; while [ ! -e /tmp/ended ]; do usleep 10000; done; sort -u /tmp/calm; "
                     "wc -l </tmp/calm").text.split("\n")
    assert said[:-1] == [f"{CONNECTIONS} connections, {BYTES} bytes each"], said


def all_of_it(t, backend, boots, echo):
    calm, victim = boots
    with calm() as guest, Control(t.path("control")) as of_calm, Control(t.path("control.1")) as control:
        with victim():
            wait_for(lambda: control.say("list"), "")
            before = descriptors(backend)
        guest.run(f"(while [ ! -e /tmp/stop ]; do guest-vsock many stream 2 {CALM} {CONNECTIONS} {BYTES}; done "
                  ">/tmp/calm 2>&1; touch /tmp/ended) &")
        with Programs(t.path("wild"), wild=True) as programs, \
             t.check(f"{t.name}_guest_and_programs_are_killed_while_they_talk"):
            kills(t, victim, LONG_KILLS if t.long else KILLS, echo, programs)
            t.say(f"{programs.killed} programs were killed")
        with t.check(f"{t.name}_other_guest_hears_nothing_of_it"):
            calm_down(guest)
        with Programs(t.path("wild2")), victim() as successor:
            with t.check(f"{t.name}_next_guest_has_connections"):
                said = successor.run(f"guest-vsock many stream 2 {WILD + 1} {CONNECTIONS} {BYTES}").text
                assert said == f"{CONNECTIONS} connections, {BYTES} bytes each", said
            with t.check(f"{t.name}_nothing_is_left_of_those_that_were_killed"):
                wait_for(lambda: control.say("list") + of_calm.say("list"), "")
                wait_for(lambda: descriptors(backend), before)


def test_uml7(t):
    linux, second = t.newer_uml, t.path("second.sock")
    programs = [t.program("guest-vsock")]
    with Programs(t.path("calm")), \
         t.backend("vu-vsock", f"--socket-path={second}", f"--control={t.path('control')}",
                   f"--forward={CALM}=unix:{t.path('calm')}", f"--forward={WILD}=unix:{t.path('wild')}",
                   f"--forward={WILD + 1}=unix:{t.path('wild2')}",
                   f"--listen=4/{GUEST_ECHO}=unix:{t.path('echo')}") as backend:
        def calm():
            return t.uml(VhostUser("vsock", backend), linux=linux, programs=programs)

        def victim():
            return t.uml(VhostUser("vsock", second), linux=linux, programs=programs)

        all_of_it(t, backend, (calm, victim), t.path("echo"))


if __name__ == "__main__":
    main()
