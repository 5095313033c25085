#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-vsock, and another back-end, with a guest of User-mode Linux: bytes each way, and the round trip of one.

[VHOST_DEVICE_VSOCK=PROGRAM] [ROUNDS=N] [MIB=N] guest.py --build BUILD: in turns, medians of the rounds.  CPU time is
that of all the back-end's threads.
"""
import glob
import os
import pathlib
import socket
import statistics
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "guest"))
from lib import VhostUser, main  # noqa: E402  pylint: disable=wrong-import-position

MIB = int(os.environ.get("MIB", "128"))
PINGS = 5000
SIZES = [4096, 32768, 65536]
HANGS = 65536  # of the other one's, when it is written at once


def cpu(pid):
    """Nanoseconds."""
    return sum(int(open(path, encoding="ascii").read().split()[0]) for path in glob.glob(f"/proc/{pid}/task/*/schedstat"))


def sink(client):
    buffer, left = bytearray(1 << 20), MIB << 20
    while left:
        left -= client.recv_into(buffer)
    client.sendall(b"x")


def source(client):
    data = bytes(65536)
    for _ in range(MIB * 16):
        client.sendall(data)
    client.recv(1)


def echo(client):
    while data := client.recv(16):
        client.sendall(data)


def case(guest, pid, listener, service, command):
    """(how many a second, microseconds of CPU for each)"""
    def serve():
        with listener.accept()[0] as client:
            service(client)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    before = cpu(pid)
    count, ns = map(int, guest.run(f"guest-vsock {command}", 300).text.split())
    spent = cpu(pid) - before
    thread.join()
    count /= 1 << 20 if service is not echo else 1
    return count * 1e9 / ns, spent / 1000 / count


def measure(t, name, argv, path, results):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{path}_1000")
    listener.listen(8)
    with listener, t.peer(name, *argv) as backend, \
         t.uml(VhostUser("vsock", backend), linux=t.newer_uml, programs=[t.program("guest-vsock")],
               complaints_ok=name != "vu-vsock") as guest:
        pid = backend.process.pid
        for size in SIZES:
            if size < HANGS or name == "vu-vsock":
                what = f"to the host, writes of {size >> 10} KiB"
                results.setdefault((what, name), []).append(
                    case(guest, pid, listener, sink, f"push stream 2 1000 {MIB << 20} {size}"))
        results.setdefault(("to the guest", name), []).append(
            case(guest, pid, listener, source, f"pull stream 2 1000 {MIB << 20} 65536"))
        results.setdefault(("round trip of 1 byte", name), []).append(
            case(guest, pid, listener, echo, f"ping stream 2 1000 {PINGS}"))
        if name != "vu-vsock":
            backend.kill()  # it has no other end


def test_uml7(t):
    other, results = os.environ.get("VHOST_DEVICE_VSOCK"), {}
    for i in range(int(os.environ.get("ROUNDS", "5"))):
        path = t.path(f"ours{i}")
        measure(t, "vu-vsock", [t.program("vu-vsock"), "--socket-path={socket}", f"--uds-path={path}"], path, results)
        path = t.path(f"other{i}")
        if other:
            measure(t, "other", [other, "--vm", f"guest-cid=3,socket={{socket}},uds-path={path}"], path, results)
    with t.check("measured"):
        for (what, name), runs in results.items():
            rate, us = (statistics.median(column) for column in zip(*runs))
            t.say(f"{what:30} {name:10} {rate:9.1f}/s {us:8.1f} us")


main()
