#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-vsock while the host's programs misbehave and the guest comes and goes; for scripts/test long.

Clients say nonsense, a part, too much, end half-way, read nothing, come by the hundred.  After that
nothing is left of them, and a connection works.
"""

import contextlib
import os
import random
import socket
import threading
import time

from lib import Control, Skip, VhostUser, main

ECHO, CAT, REFUSED = 2000, 11, 7
SECONDS, REBOOTS = 20, 5
FEW = 40  # descriptors


def garbage(sock, chance):
    sock.send(os.urandom(chance.randrange(1, 64)))


def in_pieces(sock, chance):
    line = b"CONNECT %d\nhello" % ECHO
    for byte in line[:chance.randrange(1, len(line) + 1)]:
        sock.send(bytes([byte]))


def never_reads(sock, _):
    sock.send(b"CONNECT %d\n" % ECHO)
    sock.setblocking(False)
    for _ in range(1000):
        sock.send(bytes(65536))


def half_closes(sock, chance):
    sock.send(b"CONNECT %d\n" % ECHO + bytes(chance.randrange(200000)))
    sock.shutdown(chance.choice([socket.SHUT_RD, socket.SHUT_WR]))
    while sock.recv(65536):
        pass


def refused(sock, _):
    sock.send(b"CONNECT %d\n" % REFUSED)
    assert not sock.recv(10), "it was not refused"


def by_the_hundred(sock, _):
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            more = stack.enter_context(socket.socket(socket.AF_UNIX))
            more.setblocking(False)
            more.connect(sock.getpeername())


CLIENTS = [garbage, in_pieces, never_reads, half_closes, refused, by_the_hundred]


class Load:
    """Clients of every kind, one after the other of each, until it ends."""

    def __init__(self, path):
        self._path, self._ends, self._faults = path, False, []
        self._threads = [threading.Thread(target=self._go_on, args=(kind,)) for kind in CLIENTS]
        for thread in self._threads:
            thread.start()

    def _go_on(self, kind):
        chance = random.Random(kind.__name__)
        while not self._ends:
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(5)
                try:
                    sock.connect(self._path)
                    kind(sock, chance)
                except OSError:
                    pass  # it was sent away, or nobody has time
                except AssertionError as fault:
                    self._faults.append(str(fault))

    def end(self):
        self._ends = True
        for thread in self._threads:
            thread.join()
        assert not self._faults, self._faults[0]


def serve(guest):
    guest.run(f"guest-vsock echo stream {ECHO} >/tmp/serve 2>&1 & "
              "until grep -q ready /tmp/serve; do usleep 10000; done")


def loaded(t, sentence, reboots, *wrapper):
    if not t.long:
        raise Skip("no time for that; ./scripts/test long takes it")
    control, hybrid = t.path("control"), t.path("hybrid")
    with t.peer("vu-vsock", *wrapper, t.program("vu-vsock"), "--socket-path={socket}",
                f"--uds-path={hybrid}", f"--control={control}", "--forward=0-10=hairpin",
                f"--forward={CAT}=exec:cat") as vsock, \
         t.uml(VhostUser("vsock", vsock), linux=t.newer_uml,
               programs=[t.program("guest-vsock")]) as guest, t.check(sentence):
        serve(guest)
        load = Load(hybrid)
        try:
            for _ in range(reboots):
                time.sleep(SECONDS / (reboots + 1))
                guest.reboot()
                serve(guest)
            time.sleep(SECONDS / (reboots + 1))
            Control(control).say("list")
        finally:
            load.end()
        while " connections 0 " not in Control(control).say("counters"):
            time.sleep(0.1)
        said = guest.run(f"guest-vsock many stream 2 {CAT} 10 4096").text
        assert said == "10 connections, 4096 bytes each", said
    with open(vsock.log, encoding="utf-8", errors="replace") as log:
        assert len(log.readlines()) < 200, "the log was flooded"


def test_uml7(t):
    loaded(t, "uml7_clients_that_misbehave_leave_nothing_behind", 0)


def test_uml7_reboots(t):
    loaded(t, "uml7_guest_reboots_while_clients_misbehave", REBOOTS)


def test_uml7_few_descriptors(t):
    loaded(t, "uml7_without_descriptors_clients_wait", 0, "prlimit", f"--nofile={FEW}:{FEW}")


if __name__ == "__main__":
    main()
