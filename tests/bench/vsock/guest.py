#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-vsock, and another back-end, with a guest of User-mode Linux: bytes each way, and the round trip of one.

[VHOST_DEVICE_VSOCK=PROGRAM] [ROUNDS=N] [MIB=N] [PINGS=N] [CMDLINE=WORDS] [GUEST_CPUS=LIST] guest.py --build BUILD: in
turns, medians of the rounds.
"nobody" is a back-end that neither reads, writes nor passes on a byte, and has no program behind it: the guest
alone, which no back-end can be faster than.  Microseconds of CPU time, for a MiB or a round trip, are those of all
threads of the back-end, of all processes of the guest, and of the host's program.

CMDLINE is the kernel's: seccomp=on, if it is not said, with which its programs' system calls cost it half.

GUEST_CPUS are the processors that the guest may run on: the last one, if it is not said, as it has one virtual processor.  Its kernel
and its program are two processes of the host's, though, and where there is another processor that sleeps, each system
call of the guest's wakes that: which costs more than all that a back-end does.  The others run where they like.
"""
import contextlib
import os
import pathlib
import statistics
import subprocess
import sys

TESTS = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TESTS / "guest"), str(TESTS / "kit")]
from child import Child  # noqa: E402  pylint: disable=wrong-import-position
from lib import VhostUser, main  # noqa: E402  pylint: disable=wrong-import-position

MIB = int(os.environ.get("MIB", "128"))
CMDLINE = os.environ.get("CMDLINE", "seccomp=on")
PINGS = int(os.environ.get("PINGS", "5000"))
HANGS = 65536  # of the other one's, when it is written at once
PUSHES = [4096, 16384, 32768, 65536]
GUEST_CPUS = {int(cpu) for cpu in os.environ.get("GUEST_CPUS", str(max(os.sched_getaffinity(0)))).split(",")}
TICK = 1e6 / os.sysconf("SC_CLK_TCK")


def own(process):
    """Microseconds of its threads, and those that its dead children had, in whole ticks."""
    ran = sum(int(task.read_text(encoding="ascii").split()[0]) for task in process.glob("task/*/schedstat"))
    fields = (process / "stat").read_text(encoding="utf-8").rpartition(") ")[2].split()
    return int(fields[1]), ran / 1000 + sum(map(int, fields[13:15])) * TICK


def cpu(*pids):
    """Microseconds of these processes, and of all below them, living or not."""
    spent, below = 0, {}
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            parent, us = own(process)
        except OSError:
            continue  # it ended
        below.setdefault(parent, []).append((int(process.name), us))
    todo = [(pid, us) for each in below.values() for pid, us in each if pid in pids]
    while todo:
        pid, us = todo.pop()
        spent += us
        todo += below.get(pid, [])
    return spent


def case(guest, pids, command, unit):
    """How many a second, and the microseconds for each of each of the parties."""
    before = [cpu(pid) for pid in pids]
    count, ns = map(int, guest.run(f"guest-vsock {command}", 300).text.split())
    count /= unit
    return [count * 1e9 / ns] + [(cpu(pid) - was) / count for pid, was in zip(pids, before)]


@contextlib.contextmanager
def programs(t, path):
    """The host's, at PATH_1000 and so on."""
    with Child([f"{t.build}/tests/bench/bench-vsock-service", path, str(MIB << 20)], stdout=subprocess.PIPE,
               text=True) as child:
        assert child.stdout.readline() == "ready\n"
        yield child


def keep_on(cpus, pid):
    """This process, and all that it has started, with their threads."""
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), cpus)
        for child in (task / "children").read_text(encoding="ascii").split():
            keep_on(cpus, int(child))


def measure(t, name, argv, path, results):
    with programs(t, path) as service, t.peer(name, *argv) as backend, \
         t.uml(VhostUser("vsock", backend), linux=t.newer_uml, programs=[t.program("guest-vsock")],
               cmdline=CMDLINE, complaints_ok=name == "other") as guest:
        pids = [backend.process.pid, guest.pid, service.pid]
        keep_on(GUEST_CPUS, guest.pid)

        def run(what, command, unit=1 << 20):
            results.setdefault((what, name), []).append(case(guest, pids, command, unit))

        for size in PUSHES:
            if size < HANGS or name != "other":
                run(f"to the host, writes of {size >> 10} KiB", f"push stream 2 1000 {MIB << 20} {size}")
        run("to the guest", f"pull stream 2 1001 {MIB << 20} 65536")
        run("round trip of 1 byte", f"ping stream 2 1002 {PINGS}", 1)
        if name == "other":
            backend.kill()  # it has no other end


def test_uml7(t):
    other, results = os.environ.get("VHOST_DEVICE_VSOCK"), {}
    nobody = f"{t.build}/tests/bench/bench-vsock-nobody"
    for i in range(int(os.environ.get("ROUNDS", "5"))):
        path = t.path(f"ours{i}")
        measure(t, "vu-vsock", [t.program("vu-vsock"), "--socket-path={socket}", f"--uds-path={path}"], path, results)
        path = t.path(f"other{i}")
        if other:
            measure(t, "other", [other, "--vm", f"guest-cid=3,socket={{socket}},uds-path={path}"], path, results)
        measure(t, "nobody", [nobody, "--socket-path={socket}", f"--bytes={MIB << 20}"], t.path(f"nobody{i}"), results)
    with t.check("measured"):
        t.say(f"{'':30} {'':8} {'a second':>9} us: {'back-end':>8} {'guest':>8} {'program':>8}")
        for (what, name), runs in results.items():
            rate, backend, guest, program = (statistics.median(column) for column in zip(*runs))
            t.say(f"{what:30} {name:8} {rate:9.1f}     {backend:8.1f} {guest:8.1f} {program:8.1f}")


main()
