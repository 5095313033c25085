#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-net under unmodified kernels: a tap of the host's with its offloads, and another virtual machine."""

import ctypes
import fcntl
import hashlib
import os
import random
import socket
import struct
import threading

from lib import Control, Skip, VhostUser, main, only_long, patience

CLONE_NEWNET = 0x40000000
SIOCADDRT, RTF_UP, RTF_GATEWAY, TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x890b, 1, 2, 0x400454ca, 2, 0x1000
SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK, IFF_UP = 0x8914, 0x8916, 0x891c, 1
HOST, GUEST, OTHER, MASK = "10.77.0.1", "10.77.0.2", "10.77.0.3", "255.255.255.0"
FROM_HOST, TO_HOST = 7001, 7002
MIB = 1 << 20
LONGEST_ALONE = 1514


class Net(VhostUser):
    """QEMU's network card has a netdev in between.

    Without KVM QEMU 7.2 crashes when the driver enables MSI-X (kvm_virtio_pci_irqfd_use() without irqfds).
    """

    def __init__(self, sock, pairs=1, more="vectors=0"):
        super().__init__("net", sock)
        self._pairs, self._more = pairs, more

    def qemu_args(self, number):
        return ["-chardev", f"socket,id=vu{number},path={self.socket}",
                "-netdev", f"vhost-user,id=net{number},chardev=vu{number},queues={self._pairs}",
                "-device", f"virtio-net-pci,id=dev{number},netdev=net{number},romfile=,mac=52:54:00:77:00:02,"
                f"{self._more}{',mq=on' if self._pairs > 1 else ''}"]


class Stream(VhostUser):
    """A network card of QEMU's own at the other end of a wire in QEMU's format."""

    def __init__(self, path):
        super().__init__("net", path)

    def qemu_args(self, number):
        return ["-netdev", f"stream,id=net{number},server=off,addr.type=unix,addr.path={self.socket}",
                "-device", f"virtio-net-pci,netdev=net{number},romfile=,mac=52:54:00:77:00:03"]


class Datagrams(Stream):
    """The same, by a pair of datagram sockets."""

    def __init__(self, local, remote):
        super().__init__(local)
        self._remote = remote

    def qemu_args(self, number):
        return ["-netdev", f"dgram,id=net{number},local.type=unix,local.path={self.socket},remote.type=unix,"
                f"remote.path={self._remote}", *super().qemu_args(number)[2:]]


def own_network():
    """This process has one from here on, and so have the programs that it starts."""
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        raise Skip("no /dev/net/tun, or no right to use it")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET):
        raise Skip(f"no network namespace: {os.strerror(ctypes.get_errno())}")


def configure(name, address):
    """As ip(8) does, which may not be here."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for request, value in ((SIOCSIFADDR, address), (SIOCSIFNETMASK, MASK)):
            fcntl.ioctl(sock, request, struct.pack("16sHH4s8x", name.encode(), socket.AF_INET, 0, socket.inet_aton(value)))
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sh14x", name.encode(), IFF_UP))


def make_tap(name):
    """An interface that is there as long as what is returned is open."""
    tap = open("/dev/net/tun", "r+b", buffering=0)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return tap


def default_route(name, gateway):
    """As ip route add default via GATEWAY dev NAME does."""
    def address(text):
        return struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(text))

    device = ctypes.create_string_buffer(name.encode())
    entry = struct.pack("L", 0) + address("0.0.0.0") + address(gateway) + address("0.0.0.0") \
        + struct.pack("HhLPhPLLH", RTF_UP | RTF_GATEWAY, 0, 0, 0, 0, ctypes.addressof(device), 0, 0, 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, SIOCADDRT, entry)


class Server:
    """Whoever comes gets these bytes, or has his counted and summed up."""

    def __init__(self, port, data=None, host=HOST):
        self._sock = socket.create_server((host, port))
        self._sock.settimeout(patience.SECONDS)
        self._data, self.sum = data, None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        client, _ = self._sock.accept()
        with client:
            if self._data:
                client.sendall(self._data)
                return
            total = hashlib.sha256()
            while piece := client.recv(1 << 20):
                total.update(piece)
            self.sum = total.hexdigest()

    def wait(self):
        self._thread.join(patience.SECONDS)
        self._sock.close()
        assert not self._thread.is_alive(), "the guest is not done"
        return self.sum


def up(guest, address):
    guest.run(f"ip link set lo up; ip addr add {address}/24 dev eth0 && ip link set eth0 up")


def ping(guest, address):
    guest.run(f"ping -c 3 -i 0.2 -W 20 {address}", 90)


def stats(control, pair=None):
    """Of a pair, or (None) of all together."""
    names, total = ("sent", "sent_bytes", "refused", "lost", "received", "received_bytes"), None
    for line in control.say("stats").splitlines():
        words = line.split()
        if pair is None or int(words[1]) == pair:
            counts = [int(word) for word in words[3::2]]
            total = [a + b for a, b in zip(total, counts)] if total else counts
    return dict(zip(names, total))


def in_large_writes(address, port):
    """A script that sends /tmp/data: nc itself writes so little that a fast network never has two segments to send."""
    return (f"printf '#!/bin/sh\\nexec dd if=/tmp/data bs=1M 2>/dev/null\\n' >/tmp/send && chmod +x /tmp/send && "
            f"nc {address} {port} -e /tmp/send")


def transfers(t, guest, control, mib):
    data = random.Random(77).randbytes(mib * MIB)
    with t.check(f"{t.name}_guest_receives_every_byte_from_the_host_in_long_segments"):
        before, server = stats(control), Server(FROM_HOST, data)
        got = guest.run(f"nc {HOST} {FROM_HOST} </dev/null | sha256sum", 600).text.split()[0]
        server.wait()
        now = stats(control)
        assert got == hashlib.sha256(data).hexdigest()
        # What no wire could carry in one: the kernel left the cutting to nobody.
        each = (now["received_bytes"] - before["received_bytes"]) / (now["received"] - before["received"])
        assert each > LONGEST_ALONE, f"{each:.0f} bytes a packet"
    with t.check(f"{t.name}_host_receives_every_byte_from_the_guest_in_long_segments"):
        before, server = stats(control), Server(TO_HOST)
        said = guest.run(f"dd if=/dev/urandom of=/tmp/data bs=1M count={mib} 2>/dev/null; "
                         f"sha256sum /tmp/data; {in_large_writes(HOST, TO_HOST)}", 600).text.split()[0]
        assert server.wait() == said
        now = stats(control)
        each = (now["sent_bytes"] - before["sent_bytes"]) / (now["sent"] - before["sent"])
        assert each > LONGEST_ALONE, f"{each:.0f} bytes a packet"
        assert not now["refused"], now


def link(t, guest, control):
    with t.check(f"{t.name}_nothing_passes_while_the_link_is_down"):
        control.say("link down")
        assert guest.run(f"ping -c 1 -W 1 {HOST}", 60, check=False).status
        control.say("link up")
        ping(guest, HOST)


def reboot(t, guest):
    with t.check(f"{t.name}_guest_finds_its_network_again_after_a_reboot"):
        guest.reboot()
        up(guest, GUEST)
        ping(guest, HOST)


def test_qemu_tap(t):
    own_network()
    path = t.path("control")
    with t.backend("vu-net", "--backend=tap:vunet0", f"--control={path}") as net, Control(path) as control:
        configure("vunet0", HOST)
        with t.qemu(Net(net)) as guest:
            up(guest, GUEST)
            with t.check("qemu_guest_reaches_the_host_by_a_tap"):
                ping(guest, HOST)
            transfers(t, guest, control, 256 if t.long else 16)
            link(t, guest, control)
            reboot(t, guest)


def pairs(t, program=None):
    own_network()
    path = t.path("control")
    with t.backend("vu-net", "--backend=tap:vunet1", "--queues=2", f"--control={path}") as net, \
         Control(path) as control:
        configure("vunet1", HOST)
        # Later ones have MSI-X without KVM, and a vector for each queue.
        more = {"more": "vectors=6"} if program else {}
        with t.qemu(Net(net, pairs=2, **more), cpus=2, qemu=program) as guest:
            up(guest, GUEST)
            with t.check(f"{t.name}_guest_uses_two_pairs_of_queues"):
                for cpu in ("1", "2"):
                    guest.run(f"taskset {cpu} ping -c 5 -i 0.2 -W 20 {HOST}", 90)
                for pair in (0, 1):
                    assert stats(control, pair)["sent"], f"nothing from pair {pair}"
            if program:
                transfers(t, guest, control, 64 if t.long else 4)
                link(t, guest, control)
            if program and t.long:
                reboot(t, guest)


def test_qemu_pairs(t):
    """QEMU 7.2 tells of its memory once for each pair."""
    pairs(t)


@only_long
def test_qemu10_pairs(t):
    pairs(t, t.newer_qemu)


def test_qemu11_pairs(t):
    pairs(t, t.newest_qemu)


def exchange(guest, other, port):
    """Random bytes of the one arrive at the other as they were."""
    other.run(f"""
        mkfifo /tmp/never; exec 9<>/tmp/never
        (nc -l -p {port} <&9 | sha256sum >/tmp/sum) >/dev/null 2>&1 &
        until grep -qi ':{port:04x} ' /proc/net/tcp /proc/net/tcp6; do usleep 50000; done""")
    said = guest.run("dd if=/dev/urandom of=/tmp/data bs=1M count=4 2>/dev/null; sha256sum /tmp/data; "
                     f"nc {OTHER} {port} </tmp/data", 300).text.split()[0]
    got = other.run("until [ -s /tmp/sum ]; do usleep 50000; done; cat /tmp/sum", 90).text.split()[0]
    assert got == said, (got, said)


def test_uml_and_qemu(t):
    """Two machines, of which one has QEMU's own card."""
    wire = t.path("wire")
    with t.backend("vu-net", f"--backend=socket-listen:{wire}", "--mac=52:54:00:77:00:02") as net, \
         t.uml(VhostUser("net", net)) as guest, t.qemu(Stream(wire)) as other:
        up(guest, GUEST)
        up(other, OTHER)
        with t.check("uml_guest_reaches_another_virtual_machine_through_qemus_socket"):
            ping(guest, OTHER)
            assert "52:54:00:77:00:02" in guest.run("cat /sys/class/net/eth0/address").text
        with t.check("uml_guest_and_another_machine_exchange_bytes_unharmed"):
            exchange(guest, other, TO_HOST)


def test_uml_and_qemu_datagrams(t):
    """The same two machines, by datagrams."""
    here, there = t.path("here"), t.path("there")
    with t.backend("vu-net", f"--backend=dgram:{here},{there}", "--mac=52:54:00:77:00:02") as net, \
         t.uml(VhostUser("net", net)) as guest, t.qemu(Datagrams(there, here)) as other:
        up(guest, GUEST)
        up(other, OTHER)
        with t.check("uml_guest_and_another_machine_exchange_bytes_as_datagrams_unharmed"):
            exchange(guest, other, TO_HOST)


def test_uml_switch(t):
    """Two guests of one process."""
    second = t.path("second")
    with t.backend("vu-net", "--backend=switch", "--mac=52:54:00:77:00:02", f"--socket-path={second}") as net, \
         t.uml(VhostUser("net", net)) as guest, t.uml(VhostUser("net", second)) as other:
        up(guest, GUEST)
        up(other, OTHER)
        with t.check("uml_guests_of_one_process_reach_each_other_through_its_switch"):
            ping(guest, OTHER)
            assert "52:54:00:77:00:03" in other.run("cat /sys/class/net/eth0/address").text
        with t.check("uml_guests_of_one_process_exchange_bytes_unharmed"):
            exchange(guest, other, TO_HOST)


if __name__ == "__main__":
    main()
