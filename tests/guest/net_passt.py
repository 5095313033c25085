#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-net on passt's socket: a guest gets its address from passt, and reaches the host without any right to a tap."""

import contextlib
import hashlib
import os
import random
import time

from lib import Control, Skip, VhostUser, main, patience
from lib.errors import GuestError
from lib.process import end, spawn
from net import GUEST, HOST, MIB, Server, TO_HOST, FROM_HOST, configure, default_route, make_tap, own_network, stats

LOOPBACK = "127.0.0.1"
# What udhcpc runs: the address is that of this interface, and the server's router is noted.
BOUND = """#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr flush dev $interface
ip addr add $ip/$mask dev $interface
ip route add default via $router
echo $ip $router >/tmp/bound
"""


class Passt:
    """passt of Debian 12, listening at a path; it is as it came but for where its words go."""

    def __init__(self, t, path):
        self._program = f"{t.packages('bookworm', 'passt')}/usr/bin/passt"
        self._log, self.path, self.process = t.path("passt.log"), path, None

    def start(self):
        # It would be nobody, who has no way into the test's folder; in its sandbox it is in either case.
        argv = [self._program, "--foreground", "--stderr", "--runas", "0", "--socket", self.path, "-4", "--no-icmp"]
        with open(self._log, "ab") as log:
            self.process = spawn(argv, log)
        limit = patience.end()
        while not self.listens():
            if self.process.poll() is not None:
                raise Skip(f"passt does not run here: {self.tail()}")
            if time.monotonic() > limit:
                raise GuestError(f"passt does not listen: {self.tail()}")
            time.sleep(0.01)

    def listens(self):
        with open("/proc/net/unix", encoding="utf-8", errors="replace") as table:
            return any(line.rstrip("\n").endswith(self.path) for line in table)

    def tail(self):
        with open(self._log, encoding="utf-8", errors="replace") as log:
            return " / ".join(log.read().splitlines()[-3:])

    def kill(self):
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        end(self.process)


def bound(guest):
    """The guest asks for an address: (it, the router)."""
    return guest.run(f"""cat >/tmp/note <<'END'\n{BOUND}END
        chmod 755 /tmp/note; rm -f /tmp/bound; ip link set lo up; ip link set eth0 up
        udhcpc -i eth0 -s /tmp/note -n -q -t 30 -T 1 >/tmp/said 2>&1; cat /tmp/bound || cat /tmp/said""", 60).text.split()


def transfers(guest, router, mib):
    """Through passt, the router's address is the host's own.

    This passt (of 2023) notices only after 2 s that a window opens again, so the guest's is large, and sends bytes twice
    to who has said that he sends no more, so the guest's end stays open.
    """
    guest.run("echo 4096 4194304 8388608 >/proc/sys/net/ipv4/tcp_rmem")
    data = random.Random(78).randbytes(mib * MIB)
    server = Server(FROM_HOST, data, LOOPBACK)
    got = guest.run(f"[ -e /tmp/never ] || mkfifo /tmp/never; exec 9<>/tmp/never; nc {router} {FROM_HOST} <&9 | sha256sum",
                    600).text.split()[0]
    server.wait()
    assert got == hashlib.sha256(data).hexdigest()
    server = Server(TO_HOST, host=LOOPBACK)
    said = guest.run(f"dd if=/dev/urandom of=/tmp/data bs=1M count={mib} 2>/dev/null; sha256sum /tmp/data; "
                     f"nc {router} {TO_HOST} </tmp/data", 600).text.split()[0]
    assert server.wait() == said


def test_passt(t):
    path = t.path("passt.sock")
    passt = Passt(t, path)  # it may have to be fetched: there is a network until now
    own_network()
    tap = make_tap("vupasst")
    configure("lo", LOOPBACK)
    configure("vupasst", GUEST)
    default_route("vupasst", HOST)
    with passt, contextlib.closing(tap):
        control = t.path("control")
        with t.backend("vu-net", f"--backend=socket:{path}", "--mac=52:54:00:77:00:02", f"--control={control}") as net, \
             Control(control) as lines, t.uml(VhostUser("net", net)) as guest:
            with t.check("uml_guest_gets_its_address_from_passt"):
                address, router = bound(guest)
                assert (address, router) == (GUEST, HOST), (address, router)
            with t.check("uml_guest_reaches_servers_on_the_hosts_loopback_interface_through_passt"):
                transfers(guest, router, 64 if t.long else 2)
                assert not stats(lines)["lost"], stats(lines)
            with t.check("uml_guest_goes_on_when_passt_was_killed_and_started_again"):
                passt.kill()
                passt.start()
                assert bound(guest) == [GUEST, HOST]
                transfers(guest, router, 1)


if __name__ == "__main__":
    main()
