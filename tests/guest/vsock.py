#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-vsock under unmodified kernels: bytes both ways, many connections, large transfers, ends."""

import socket
import struct
import threading

from lib import Control, VhostUser, main, patience

HOST_ECHO, HOST_SUM, NOBODY, HOST_MESSAGES, HOST_OLD, HOST_SOURCE = 1000, 1001, 1002, 1003, 1004, 1005
GUEST_ECHO = 2000
MIB = 1 << 20
LONG_MIB = 10 << 10  # beyond what 32-bit counters count, twice
SEED = 0x9e3779b97f4a7c15
ORDER = 1 << 64


def numbers(count, at):
    """guest-vsock's bytes: numbers that follow each other."""
    return b"".join(struct.pack("<Q", (at + i) * SEED % ORDER) for i in range(count))


def listen(t, name, kind=socket.SOCK_STREAM):
    sock = socket.socket(socket.AF_UNIX, kind)
    sock.bind(t.path(name))
    sock.listen(1100)
    return sock


def echo(listener):
    """Everybody who comes gets back what he sends; a thread each."""
    def one(client):
        with client:
            while data := client.recv(1 << 20):
                client.sendall(data)

    def accept():
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener


def serve(guest, command):
    """A server in the guest, which goes on beside other scripts."""
    guest.run(f"{command} >/tmp/serve 2>&1 & "
              "until grep -q ready /tmp/serve; do usleep 10000; done")


def large(t, name):
    """MiB of a large transfer."""
    return (LONG_MIB if t.long else 256) if name != "qemu" else 32


def from_guest(t, guest, name):
    with t.check(f"{name}_guest_reaches_a_service_of_the_host_and_no_other_port"):
        assert guest.run(f"guest-vsock many stream 2 {HOST_ECHO} 1 4096").text
        said = guest.run(f"guest-vsock refused stream 2 {NOBODY}; "
                         f"guest-vsock refused stream 2 77; "
                         f"guest-vsock refused stream 9 {HOST_ECHO}").text.split("\n")
        assert said == ["ECONNRESET"] * 3, said
    with t.check(f"{name}_guest_has_many_connections_at_once_each_with_its_own_bytes"):
        said = guest.run(f"ulimit -n 4096; guest-vsock many stream 2 {HOST_ECHO} 1000 4096").text
        assert said == "1000 connections, 4096 bytes each", said
    with t.check(f"{name}_messages_of_a_guest_come_back_as_they_were"):
        said = guest.run(f"guest-vsock many seqpacket 2 {HOST_MESSAGES} 10 20000").text
        assert said == "10 connections, 20000 bytes each", said
    with t.check(f"{name}_guest_talks_to_a_program_of_the_hosts"):
        mib = large(t, name)
        said = guest.run(f"guest-vsock send stream 2 {HOST_SUM} {mib * MIB}", mib // 2).text
        assert said.split()[0] == str(mib * MIB), said
    with t.check(f"{name}_guest_reads_all_that_a_program_of_the_hosts_sends"):
        said = guest.run(f"guest-vsock take stream 2 {HOST_SOURCE}", mib // 2).text
        assert said == str(mib * MIB), said


def to_guest(t, guest, name, control):
    serve(guest, f"guest-vsock echo stream {GUEST_ECHO}")
    with t.check(f"{name}_host_reaches_a_service_of_the_guest"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(patience.SECONDS)
            sock.connect(t.path("guest-echo"))
            data = numbers(100000, 0)
            threading.Thread(target=sock.sendall, args=(data,), daemon=True).start()
            got = b""
            while len(got) < len(data):
                part = sock.recv(1 << 20)
                assert part, f"it ended after {len(got)} bytes"
                got += part
            assert got == data
    with t.check(f"{name}_firecrackers_clients_reach_it_too"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(patience.SECONDS)
            sock.connect(t.path("hybrid"))
            sock.sendall(b"CONNECT %d\nhello" % GUEST_ECHO)
            with sock.makefile("rb") as file:
                assert file.readline().startswith(b"OK "), "no OK"
                assert file.read(5) == b"hello"
    with t.check(f"{name}_nothing_is_left_of_connections_that_ended"):
        for _ in range(3000):
            listed = control.say("list")
            if not listed:
                break
            guest.run("usleep 100000")
        assert not listed, listed


def reboot(t, guest, name):
    with t.check(f"{name}_guest_that_reboots_begins_anew_and_its_old_connections_end"):
        listener = listen(t, "old")
        guest.run(f"guest-vsock many stream 2 {HOST_OLD} 1 65536 >/tmp/old 2>&1 &")
        old, _ = listener.accept()
        listener.close()
        old.settimeout(patience.SECONDS)
        assert old.recv(1), "nothing came"
        guest.reboot()
        while old.recv(1 << 20):
            pass
        assert guest.run(f"guest-vsock many stream 2 {HOST_ECHO} 10 4096").text


def all_of_it(t, boot, name, more=(), **props):
    services = [echo(listen(t, "host-echo")),
                echo(listen(t, "host-messages", socket.SOCK_SEQPACKET))]
    control = t.path("control")
    options = [
        f"--forward={HOST_ECHO}=unix:{t.path('host-echo')}",
        f"--forward={HOST_SUM}=exec:{t.program('guest-vsock')} filter",
        f"--forward={HOST_SOURCE}=exec:{t.program('guest-vsock')} source {large(t, name) * MIB}",
        f"--forward={NOBODY}=unix:{t.path('nobody')}",
        f"--forward={HOST_MESSAGES}=seqpacket:{t.path('host-messages')}",
        f"--forward={HOST_OLD}=unix:{t.path('old')}",
        f"--listen={GUEST_ECHO}=unix:{t.path('guest-echo')}",
        f"--uds-path={t.path('hybrid')}",
        f"--control={control}", *more
    ]
    with t.backend("vu-vsock", *options) as vsock, \
         boot(VhostUser("vsock", vsock, **props), programs=[t.program("guest-vsock")]) as guest:
        from_guest(t, guest, name)
        to_guest(t, guest, name, Control(control))
        reboot(t, guest, name)
    for service in services:
        service.close()


def test_qemu(t):
    all_of_it(t, t.qemu, t.name)


def test_uml(t):
    all_of_it(t, t.uml, t.name)


def test_uml7(t):
    linux = t.newer_uml

    def boot(device, **kw):
        return t.uml(device, linux=linux, **kw)

    # Beyond what this kernel lets be on its way.
    all_of_it(t, boot, t.name, ["--buffer-size=1M", "--max-buffered=1G"])


if __name__ == "__main__":
    main()
