#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A guest on vu-net moves between two QEMUs while it receives, sends and pings: live migration, with a dirty log.

Its network is the host's tap, behind a switch of this file's on two sockets of QEMU's format, or behind vu-net's own one.
Both know a guest by what it sends: after a move they send there only when something came from there, which vu-net sees
to (SEND_RARP), or the guest itself, where it took GUEST_ANNOUNCE.  Bytes are summed up at both ends.  What the device
wrote and did not mark would be at the other side as it was before: what waits to be read there is wrong then, and so
may the checksum of what was just received be.
"""

import contextlib
import hashlib
import os
import select
import selectors
import socket
import struct
import threading
import time

from lib import Control, main, only_long, patience
from net import FROM_HOST, GUEST, HOST, MIB, Net, TO_HOST, configure, make_tap, own_network, ping, up

ETH_P_ARP, ETH_P_RARP = 0x0806, 0x8035
MAC = bytes.fromhex("525400770002")
SLOW = 24 << 20  # bytes a second: memory is gone over more than once
PENDING, LONGEST = 1 << 20, 65553
ENOUGH = MIB  # in each direction after a move
# What was received waits for some seconds, in pages that the guest itself does not write again.
WORK = f"""rm -f /tmp/stop /tmp/f /tmp/got /tmp/sent
mkfifo /tmp/f; [ -e /tmp/never ] || mkfifo /tmp/never; exec 9<>/tmp/never
echo 4096 4194304 8388608 >/proc/sys/net/ipv4/tcp_rmem
slowly() {{
    while dd bs=64k count=2 iflag=fullblock of=/tmp/piece 2>/dev/null && [ -s /tmp/piece ]; do
        cat /tmp/piece; [ -e /tmp/stop ] || usleep 50000; done
}}
(nc {HOST} {FROM_HOST} <&9 | slowly | sha256sum >/tmp/got) 2>/dev/null &
sha256sum </tmp/f >/tmp/sent &
(while [ ! -e /tmp/stop ]; do head -c 65536 /dev/urandom; done | tee /tmp/f | nc {HOST} {TO_HOST}) >/dev/null 2>&1 &
ping -i 0.2 {HOST} >/tmp/ping 2>&1 &"""
SUMS = "touch /tmp/stop; until [ -s /tmp/got ] && [ -s /tmp/sent ]; do usleep 50000; done; cat /tmp/got /tmp/sent"
# Names and numbers are on two lines each.
WRONG = """awk '$1 in names { split(names[$1], name); for (i = 2; i <= NF; i++)
    if (name[i] ~ /^(InHdrErrors|InErrs|InErrors|InCsumErrors)$/ && $i) print $1 name[i], $i; delete names[$1]; next }
    { names[$1] = $0 }' /proc/net/snmp"""


class Switch:
    """Frames between the host's tap and whoever connects to one of two sockets; a guest is where it spoke last."""

    def __init__(self, t, tap):
        self._tap, self.at, self._select = tap, None, selectors.DefaultSelector()
        self._select.register(tap, selectors.EVENT_READ, self._from_host)
        self.backends, self._out, self._in = [], {}, {}
        self._listening = []
        for name in ("here", "there"):
            sock = socket.socket(socket.AF_UNIX)
            sock.bind(t.path(name))
            sock.listen()
            self._listening.append(sock)
            self._select.register(sock, selectors.EVENT_READ, self._meet)
            self.backends.append([f"--backend=socket:{t.path(name)}"])
        self._wake = socket.socketpair()
        self._select.register(self._wake[0], selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while True:
            for key, events in self._select.select():
                if not key.data:
                    return
                key.data(key.fileobj, events)

    def _meet(self, listening, _):
        client, _ = listening.accept()
        client.setblocking(False)
        self._out[client], self._in[client] = bytearray(), bytearray()
        self._select.register(client, selectors.EVENT_READ, self._from_guest)

    def _from_host(self, tap, _):
        frame = tap.read(LONGEST)
        for client in [self.at] if self.at else list(self._out):
            if len(self._out[client]) < PENDING:  # else it is lost, as in any switch
                self._out[client] += struct.pack(">I", len(frame)) + frame
                self._send(client)

    def _send(self, client):
        out = self._out[client]
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            del out[:client.send(out)]
        self._select.modify(client, selectors.EVENT_READ | (selectors.EVENT_WRITE if out else 0), self._from_guest)

    def _from_guest(self, client, events):
        if events & selectors.EVENT_WRITE:
            self._send(client)
        if not events & selectors.EVENT_READ:
            return
        try:
            got = client.recv(1 << 18)
        except ConnectionResetError:  # it is gone, and had not read all
            got = b""
        if not got:
            self._select.unregister(client)
            self._out.pop(client)
            self.at = None if self.at is client else self.at
            return
        data = self._in[client]
        data += got
        while len(data) >= 4 and len(data) >= 4 + struct.unpack_from(">I", data)[0]:
            size = struct.unpack_from(">I", data)[0]
            assert 14 <= size <= LONGEST, f"a frame of {size} bytes"
            self.at = client
            self._tap.write(data[4:4 + size])
            del data[:4 + size]

    def close(self):
        self._wake[1].send(b"x")
        self._thread.join()


class Pump:
    """A connection that goes on until it is told to stop; .bytes and .sum of what went through it."""

    def __init__(self, port, sends):
        self._sock, self._sends = socket.create_server((HOST, port)), sends
        self._sock.settimeout(patience.SECONDS)
        self._stop, self.bytes, self.sum = threading.Event(), 0, hashlib.sha256()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        client, _ = self._sock.accept()
        client.settimeout(patience.SECONDS)
        with client:
            while not self._stop.is_set() if self._sends else True:
                piece = os.urandom(1 << 15) if self._sends else client.recv(1 << 16)
                if not piece:
                    return
                if self._sends:
                    client.sendall(piece)
                self.sum.update(piece)
                self.bytes += len(piece)

    def wait_for(self, size):
        limit = patience.end()
        while self.bytes < size:
            assert time.monotonic() < limit and self._thread.is_alive(), f"{self.bytes} bytes, and no more"
            time.sleep(0.02)

    def stop(self):
        self._stop.set()

    def wait(self):
        self._thread.join(patience.SECONDS)
        self._sock.close()
        assert not self._thread.is_alive(), "a connection does not end"
        return self.sum.hexdigest()


class Moving:
    """A guest, and two places that it moves between; `sockets` of the vu-nets there."""

    WRONG = "the guest received what was not sent"

    def __init__(self, t, stack, qemu, sockets, more="vectors=0", speaks=False):
        """`more` of its card's properties; whether it announces itself, `speaks`."""
        self.t, self._stack, self._qemu, self._sockets, self._more, self._speaks = t, stack, qemu, sockets, more, speaks
        self.place, self.guest = 0, self._boot(0)
        self._arp, self._rarp = [self._listen(kind) for kind in (ETH_P_ARP, ETH_P_RARP)]

    def _listen(self, kind):
        sock = self._stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(kind)))
        sock.settimeout(patience.SECONDS)
        return sock

    def _boot(self, place, **more):
        # The kernel would clear pages before the device writes them: QEMU sees that by itself.
        return self._stack.enter_context(self.t.qemu(Net(self._sockets[place], more=self._more), qemu=self._qemu,
                                                     cmdline="init_on_alloc=0", **more))

    def move(self):
        """While the guest works it goes to the other place, and goes on there."""
        pumps = source, sink = Pump(FROM_HOST, True), Pump(TO_HOST, False)
        self.guest.run(WORK)
        for pump in pumps:
            pump.wait_for(ENOUGH)
        successor = self._boot(1 - self.place, successor=True)
        self.guest.migrate(successor, SLOW)
        self.guest.wait_migration(2)
        before = [pump.bytes for pump in pumps]
        self.guest.set_bandwidth(0)
        state = self.guest.migrated(successor)
        left, self.guest, self.place = self.guest, successor, 1 - self.place
        during = [pump.bytes - size for pump, size in zip(pumps, before)]
        left.close()
        self._announced()
        for pump in pumps:
            pump.wait_for(pump.bytes + ENOUGH)
        pings = int(self.guest.run("grep -c seq= /tmp/ping").text)
        self.guest.until(f"[ $(grep -c seq= /tmp/ping) -gt {pings + 2} ]")
        source.stop()
        got, sent = [line.split()[0] for line in self.guest.run(SUMS).text.splitlines()]
        assert got == source.wait(), self.WRONG
        assert sent == sink.wait(), "the guest did not send what was received"
        self.guest.run("killall ping")
        self.t.say(f"{state['ram']['dirty-sync-count']} rounds, {source.bytes >> 20} MiB received, {sink.bytes >> 20} MiB "
                   f"sent, {during} bytes in the last round; stopped for {state['downtime']} ms")

    def _announced(self):
        """The guest's own address, in a frame that the network saw: of the guest's, or of the program's."""
        if self._speaks:
            own = b"\x08\x06" + bytes.fromhex("0001080006040001") + MAC + socket.inet_aton(GUEST)
            while True:  # it asks for others' addresses, too
                frame = self._arp.recv(2000)
                if frame[:32] == b"\xff" * 6 + MAC + own and frame[38:42] == socket.inet_aton(GUEST):
                    break
            assert not select.select([self._rarp], [], [], 0)[0], "a RARP for a guest that announces itself"
            return
        frame = self._rarp.recv(2000)
        assert frame[:14] == b"\xff" * 6 + MAC + b"\x80\x35", frame.hex()
        assert len(frame) == 60 and frame[14:22] == bytes.fromhex("0001080006040003"), frame.hex()

    def nothing_wrong(self):
        wrong = self.guest.run(WRONG).text
        assert not wrong, f"the guest received what was not sent: {wrong}"


def moves(t, qemu, stack, sockets, **announces):
    m = Moving(t, stack, qemu, sockets, **announces)
    up(m.guest, GUEST)
    ping(m.guest, HOST)
    times = 6 if t.long else 1
    with t.check(f"{t.name}_guest_moves_{times}_times_while_it_receives_sends_and_pings_and_is_announced"):
        for _ in range(times):
            m.move()
    with t.check(f"{t.name}_guest_received_nothing_but_what_was_sent"):
        m.nothing_wrong()


@contextlib.contextmanager
def sockets(t, name="vu-net"):
    """Two of these programs, and this file's switch; for moves()."""
    own_network()
    with contextlib.ExitStack() as stack:
        tap = stack.enter_context(make_tap("vumoves"))
        configure("vumoves", HOST)
        switch = Switch(t, tap)
        stack.callback(switch.close)
        yield stack, [stack.enter_context(t.backend(name, *options)) for options in switch.backends]


def test_sockets_qemu10(t):
    program = t.newer_qemu
    with sockets(t) as (stack, places):
        moves(t, program, stack, places)


@only_long
def test_unmarked_qemu10(t):
    """A program that does not mark what it writes is found out."""
    program, seen = t.newer_qemu, None
    with sockets(t, "vu-net-unmarked-data") as (stack, places), t.check("unmarked_bytes_arrive_wrong"):
        m = Moving(t, stack, program, places)
        up(m.guest, GUEST)
        try:
            m.move()
        except AssertionError as error:
            seen = str(error)
        assert seen == Moving.WRONG, seen


def through_switch(t, program, **announces):
    there = t.path("there")
    own_network()
    control = t.path("control")
    with contextlib.ExitStack() as stack:
        net = stack.enter_context(t.backend("vu-net", "--backend=switch", "--switch-uplink=tap:vumoves", "--guest-announce",
                                            f"--socket-path={there}", f"--control={control}"))
        configure("vumoves", HOST)
        lines = stack.enter_context(Control(control))
        moves(t, program, stack, [net, there], **announces)
        t.say(lines.say("switch").replace("\n", "; "))


def test_switch_qemu11(t):
    through_switch(t, t.newest_qemu, speaks=True)


@only_long
def test_switch_announced_by_the_guest_qemu10(t):
    through_switch(t, t.newer_qemu, speaks=True)


@only_long
def test_switch_announced_for_the_guest_qemu11(t):
    """It does not take the feature: the program speaks for it, although it offers it."""
    through_switch(t, t.newest_qemu, more="vectors=0,guest_announce=off")


if __name__ == "__main__":
    main()
