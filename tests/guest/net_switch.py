#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-net's switch under unmodified kernels: guests, one of which takes no offloads, and the host behind an uplink."""

import itertools
import json
import os
import pathlib
import time

from lib import Control, Skip, VhostUser, main, patience
from lib.process import end, spawn
from net import (GUEST, HOST, LONGEST_ALONE, MIB, OTHER, TO_HOST, Net, Server, configure, in_large_writes,
                 own_network, ping, stats, transfers, up)

PORT = 7010
IPERF_PORT = 5201


class Plain(Net):
    """Its driver is offered nothing of what its packets could leave to others."""

    def qemu_args(self, number):
        *rest, card = super().qemu_args(number)
        return [*rest, card + "".join(f",guest_{what}=off" for what in ("csum", "tso4", "tso6", "ecn", "ufo"))]


def exchange(sender, receiver, address, mib, port=PORT):
    """Random bytes of the one arrive at the other as they were; the receiver's sum of them."""
    receiver.run(f"""
        rm -f /tmp/never /tmp/sum; mkfifo /tmp/never; exec 9<>/tmp/never
        (nc -l -p {port} <&9 | sha256sum >/tmp/sum) >/dev/null 2>&1 &
        until grep -qi ':{port:04x} ' /proc/net/tcp /proc/net/tcp6; do usleep 50000; done""")
    said = sender.run(f"dd if=/dev/urandom of=/tmp/data bs=1M count={mib} 2>/dev/null; sha256sum /tmp/data; "
                      f"{in_large_writes(address, port)}", 600).text.split()[0]
    got = receiver.run("until [ -s /tmp/sum ]; do usleep 50000; done; cat /tmp/sum", 600).text.split()[0]
    assert got == said, (got, said)


def each(before, now, what):
    """Bytes of a packet, on average."""
    return (now[f"{what}_bytes"] - before[f"{what}_bytes"]) / (now[what] - before[what])


def iperf(client, address, mib, way=""):
    """All that iperf3 was to send was sent, and what had arrived when it ended is of that."""
    said = json.loads(client.run(f"iperf3 -J -c {address} -n {mib}M {way}", 600).text)["end"]
    sent, received = said["sum_sent"]["bytes"], said["sum_received"]["bytes"]
    assert sent >= mib * MIB and 0 < received <= sent, (sent, received)


def between(t, plain, taker, of_plain, of_taker, mib):
    with t.check("guests_exchange_bytes_unharmed_each_with_the_offloads_that_it_takes"):
        before = stats(of_plain), stats(of_taker)
        exchange(taker, plain, GUEST, mib)
        now = stats(of_plain), stats(of_taker)
        # Long when they left, and cut on the way.
        assert each(before[1], now[1], "sent") > LONGEST_ALONE > each(before[0], now[0], "received")
        before = now
        exchange(plain, taker, OTHER, mib)
        now = stats(of_plain), stats(of_taker)
        assert each(before[1], now[1], "received") > LONGEST_ALONE
        assert not now[0]["refused"] and not now[1]["refused"], now


SENTENCE = "iperf3_between_guests_ends_well_in_both_directions"


def counted(t, plain, taker, mib):
    with t.check(SENTENCE):
        for server, client, address in ((plain, taker, GUEST), (taker, plain, OTHER)):
            server.run("iperf3 -s -1 -D; until netstat -ltn | grep -q ':5201 '; do usleep 50000; done")
            iperf(client, address, mib)


def host_iperf(tree, log):
    """One at the host, for one client."""
    process = spawn([f"{tree}/usr/bin/iperf3", "-s", "-1", "-B", HOST], log,
                    env={**os.environ, "LD_LIBRARY_PATH": f"{tree}/usr/lib/x86_64-linux-gnu"})
    listening = f":{IPERF_PORT:04X} 00000000:0000 0A"
    limit = patience.end()
    while listening not in pathlib.Path("/proc/self/net/tcp").read_text(encoding="ascii"):
        assert process.poll() is None and time.monotonic() < limit, "the host's iperf3 does not listen"
        time.sleep(0.01)
    return process


def counted_with_host(t, tree, guests, mib):
    with t.check("iperf3_between_each_guest_and_the_host_ends_well_in_both_directions"), open(t.path("iperf3.log"), "wb") as log:
        for guest, way in itertools.product(guests, ("", "--reverse")):
            server = host_iperf(tree, log)
            try:
                iperf(guest, HOST, mib, way)
                assert not server.wait(patience.SECONDS)
            finally:
                end(server)


def iperf_of(t):
    """Where it is unpacked, if it can be had; while there is a network to fetch it from."""
    try:
        return t.packages("bookworm", "iperf3", "libiperf0", "libsctp1")
    except Skip as reason:
        t.skip(SENTENCE, str(reason))
        return None


def liar(t, guest, control):
    with t.check("a_guest_that_takes_another_address_is_not_heard"):
        guest.run("ip link set eth0 down; ip link set eth0 address 52:54:00:77:00:02; ip link set eth0 up")
        assert guest.run(f"ping -c 2 -W 1 {HOST}", 60, check=False).status
        line = next(line for line in control.say("switch").splitlines() if line.startswith("port 1 spoofed"))
        assert int(line.split()[3]), line
        guest.run("ip link set eth0 down; ip link set eth0 address 52:54:00:77:00:03; ip link set eth0 up")
        ping(guest, HOST)


def test_uml_and_qemu(t):
    linux, tree, mib = t.newer_uml, iperf_of(t), 256 if t.long else 8
    programs = ["iperf3"] if tree else []
    own_network()
    path, second = t.path("control"), t.path("second")
    with t.backend("vu-net", "--backend=switch", "--switch-uplink=tap:vunet2", "--switch-pin",
                   "--mac=52:54:00:77:00:02", f"--socket-path={second}", f"--control={path}") as net, \
         Control(path) as of_plain, Control(path + ".1") as of_taker:
        configure("vunet2", HOST)
        with t.qemu(Plain(net), programs=programs) as plain, \
             t.uml(VhostUser("net", second), linux=linux, programs=programs) as taker:
            up(plain, GUEST)
            up(taker, OTHER)
            with t.check("guests_of_two_kinds_reach_each_other_and_the_host"):
                ping(plain, OTHER)
                ping(taker, HOST)
                ping(plain, HOST)
            between(t, plain, taker, of_plain, of_taker, mib)
            if tree:
                counted(t, plain, taker, mib)
                counted_with_host(t, tree, (plain, taker), mib)
            transfers(t, taker, of_taker, mib)
            with t.check("a_guest_without_offloads_sends_the_host_every_byte"):
                server = Server(TO_HOST)
                said = plain.run(f"sha256sum /tmp/data; nc {HOST} {TO_HOST} </tmp/data", 600).text.split()[0]
                assert server.wait() == said
            liar(t, taker, of_plain)


def test_uml_apart(t):
    """Guests that may reach the host, and not each other."""
    own_network()
    path, second = t.path("control"), t.path("second")
    with t.backend("vu-net", "--backend=switch", "--switch-uplink=tap:vunet3", "--switch-rule=all+uplink",
                   "--mac=52:54:00:77:00:02", f"--socket-path={second}", f"--control={path}") as net:
        configure("vunet3", HOST)
        with t.uml(VhostUser("net", net)) as guest, t.uml(VhostUser("net", second)) as other:
            up(guest, GUEST)
            up(other, OTHER)
            with t.check("guests_reach_the_host_alone"):
                ping(guest, HOST)
                ping(other, HOST)
                # Also where the address needs not be asked for.
                guest.run(f"arp -s {OTHER} 52:54:00:77:00:03")
                assert guest.run(f"ping -c 1 -W 1 {OTHER}", 60, check=False).status


if __name__ == "__main__":
    main()
