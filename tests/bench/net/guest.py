#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""TCP from a guest of User-mode Linux to its host, by vu-net and a tap, and by passt's vhost-user mode (sid's).

[ROUNDS=N] [MIB=N] guest.py --fetch --build BUILD: in turns, medians of the rounds.  Packets are of 1500 bytes; what vu-net has
from its guest in addition are segments, as far as the guest makes them: once more without, if ethtool is here.  CPU time is
that of the back-end's threads, and of the guest's kernel.
"""
import contextlib
import glob
import os
import pathlib
import shutil
import socket
import statistics
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "guest"))
from lib import VhostUser, main  # noqa: E402  pylint: disable=wrong-import-position
from lib.fetch import relocated  # noqa: E402  pylint: disable=wrong-import-position
from net import GUEST, HOST, configure, default_route, make_tap, own_network, up  # noqa: E402  pylint: disable=wrong-import-position

MIB = int(os.environ.get("MIB", "64"))
PORT, SIZE = 7003, 65536
LOOPBACK = "127.0.0.1"


def cpu(pid):
    """Nanoseconds."""
    return sum(int(open(path, encoding="ascii").read().split()[0]) for path in glob.glob(f"/proc/{pid}/task/*/schedstat"))


def push(guest, backend, address):
    """(MiB a second, microseconds of the back-end's CPU for each MiB, and of the guest's)"""
    def serve():
        with server, server.accept()[0] as client:
            buffer, left = bytearray(1 << 20), MIB << 20
            while left:
                left -= client.recv_into(buffer)
            client.sendall(b"x")

    server = socket.create_server((address, PORT))
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    pids = backend.process.pid, guest._process.pid  # pylint: disable=protected-access
    before = [cpu(pid) for pid in pids]
    ns = int(guest.run(f"guest-tcp {HOST} {PORT} {MIB << 20} {SIZE}", 600).text)
    spent = [(cpu(pid) - was) / 1000 / MIB for pid, was in zip(pids, before)]
    thread.join()
    return (MIB * 1e9 / ns, *spent)


def measure(t, backend, address, results, name):
    ethtool = ["ethtool"] if name == "vu-net" and shutil.which("ethtool") else []
    with backend, t.uml(VhostUser("net", backend), linux=t.newer_uml, programs=[t.program("guest-tcp"), *ethtool],
                        complaints_ok=name != "vu-net") as guest:
        if name == "vu-net":
            configure("vunet0", HOST)
        up(guest, GUEST)
        guest.run(f"ip route add default via {HOST}")
        push(guest, backend, address)
        results.setdefault(name, []).append(push(guest, backend, address))
        if ethtool:
            guest.run("ethtool -K eth0 tso off gso off")
            results.setdefault("vu-net, no segments", []).append(push(guest, backend, address))
        if name != "vu-net":
            backend.kill()  # it has no end of its own


def test_uml7(t):
    passt, results = relocated(t.packages("sid", "passt", "libc6"), "usr/bin/passt.avx2"), {}
    own_network()
    configure("lo", LOOPBACK)
    for _ in range(int(os.environ.get("ROUNDS", "5"))):
        measure(t, t.backend("vu-net", "--backend=tap:vunet0"), HOST, results, "vu-net")
        with contextlib.closing(make_tap("vupasst")):
            configure("vupasst", GUEST)
            default_route("vupasst", HOST)
            measure(t, t.peer("passt", passt, "--vhost-user", "--foreground", "--stderr", "--socket", "{socket}",
                              "-4", "--no-icmp"), LOOPBACK, results, "passt")
    with t.check("measured"):
        for name, runs in results.items():
            rate, back, front = (statistics.median(column) for column in zip(*runs))
            t.say(f"{name:20} {rate:8.1f} MiB/s, CPU for each: back-end {back:8.1f} us, guest {front:8.1f} us")


main()
