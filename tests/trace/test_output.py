#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What vu-trace prints, and how it runs a program.  test_output.py VU-TRACE VU-RNG"""

import os
import pathlib
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

from harness import (DEADLINE, GET_CONFIG, GET_FEATURES, NEED_REPLY, 
                     SET_MEM_TABLE, SET_OWNER, SET_VRING_CALL, SET_VRING_KICK, Child, End, Trace,
                     message, run, u64)

TABLE = struct.pack("=II", 1, 0) + struct.pack("=QQQQ", 0x1000, 0x2000, 0x7f0000000000, 0)


def talk(t):
    t.negotiate()
    t.tell(SET_OWNER, flags=NEED_REPLY)
    t.answer(SET_OWNER, u64(0))
    fd = os.memfd_create("ram")
    os.truncate(fd, 0x2000)
    t.tell(SET_MEM_TABLE, TABLE, [fd], NEED_REPLY)
    t.answer(SET_MEM_TABLE, u64(1))
    t.tell(SET_VRING_KICK, u64(0), [os.eventfd(0)])
    t.tell(SET_VRING_CALL, u64(0x101))
    t.tell(GET_CONFIG, struct.pack("=III", 0, 4, 0) + bytes(4))
    t.answer(GET_CONFIG, struct.pack("=III", 0, 4, 0) + b"\1\2\3\4")


def a_line_a_message_with_its_values(program, _):
    with Trace(program) as t:
        talk(t)
        text = t.stop()
    for words in ("1 → GET_FEATURES()", "1 ← GET_FEATURES(u64 0x140000000 = PROTOCOL_FEATURES VERSION_1), ",
                  "1 → SET_OWNER(), needs a reply", "1 ← SET_OWNER ok, ", "1 ← SET_MEM_TABLE failed: 0x1, ",
                  "region0: guest_addr 0x1000 size 0x2000 user_addr 0x7f0000000000 mmap_offset 0x0), "
                  "fd memfd:ram of 8192 bytes, needs a reply",
                  "1 → SET_VRING_KICK(index 0), fd eventfd ", "1 → SET_VRING_CALL(index 1 nofd)\n",
                  "1 ← GET_CONFIG(offset 0 size 4 flags 0x0 bytes 01020304), "):
        assert words in text, f"no {words!r} in:\n{text}"


def json_has_an_object_a_line(program, _):
    with Trace(program, "--json", "--summary") as t:
        talk(t)
        t.stop()
        lines = t.lines()
    messages = [line for line in lines if line["event"] == "message"]
    by_name = {(m["name"], m["reply"]): m for m in messages}
    table = by_name["SET_MEM_TABLE", False]
    assert table["values"] == {"num_regions": 1, "region0": {
        "guest_addr": "0x1000", "size": "0x2000", "user_addr": "0x7f0000000000",
        "mmap_offset": "0x0"}}, table
    assert table["fds"] == [{"kind": "memfd", "name": "ram", "size": 0x2000}] and table["need_reply"]
    assert by_name["GET_FEATURES", True]["bits"] == ["PROTOCOL_FEATURES", "VERSION_1"]
    assert by_name["GET_FEATURES", True]["latency_us"] > 0
    assert by_name["SET_MEM_TABLE", True]["ack"] and by_name["SET_MEM_TABLE", True]["values"] == {"u64": "0x1"}
    assert by_name["SET_VRING_CALL", False]["values"] == {"index": 1, "nofd": True}
    assert by_name["SET_VRING_KICK", False]["fds"][0]["kind"] == "eventfd"
    assert by_name["GET_CONFIG", True]["values"]["bytes"] == "01020304"
    assert [m["time"] for m in messages] == sorted(m["time"] for m in messages)
    assert abs(messages[0]["time"] - time.time()) < 3600
    rows = {row["name"]: row for row in lines[-1]["rows"]}
    assert lines[-1]["event"] == "summary" and lines[-1]["violations"] == 0
    assert rows["SET_OWNER"]["count"] == 1 and rows["SET_OWNER"]["latency_us"]["p99"] > 0
    assert rows["SET_MEM_TABLE"]["failed"] == 1


def what_others_name_is_made_printable(program, _):
    name = "a\x1b[31m\"\\b\n"
    for option in ((), ("--json",)):
        with Trace(program, *option) as t:
            t.tell(SET_MEM_TABLE, TABLE, [os.memfd_create(name)])
            text = t.stop()
            assert "\x1b" not in text and "\\x1b" in text, text
            if option:
                line = [m for m in t.lines() if m["event"] == "message"][0]
                # The kernel writes a line break as \012 itself.
                assert line["fds"][0]["name"].startswith('a\\x1b[31m"'), line


def a_summary_comes_on_sigusr1(program, _):
    with Trace(program, "--quiet") as t:
        t.tell(SET_OWNER)
        t.process.send_signal(signal.SIGUSR1)
        t.wait_text("violations: 0")
        assert "SET_OWNER " in t.text() and "→" not in t.text(), t.text()
        t.tell(SET_OWNER)


class Program:
    """vu-trace with a program behind it."""

    def __init__(self, trace, *argv, options=()):
        self.folder = tempfile.TemporaryDirectory(prefix="vu-trace-test-")
        self.path = os.path.join(self.folder.name, "socket")
        self.out = pathlib.Path(self.folder.name, "out")
        argv = [arg.replace("SOCKET", self.path) for arg in argv]
        self.process = Child([trace, f"--output={self.out}", *options, "--", *argv], stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.end()
        self.process.stderr.close()
        self.folder.cleanup()

    def connect(self, more=""):
        sock = socket.socket(socket.AF_UNIX)
        limit = time.monotonic() + DEADLINE
        while sock.connect_ex(self.path + more):
            assert self.process.poll() is None and time.monotonic() < limit
            time.sleep(0.01)
        return End(sock)


def a_program_is_run_behind_it(program, vu_rng):
    for argv in (("--socket-path=SOCKET",), ("--socket-path", "SOCKET")):
        with Program(program, vu_rng, *argv) as p:
            front = p.connect()
            front.send(message(GET_FEATURES))
            assert front.recv_message()[0] == GET_FEATURES
            front.close()
            p.process.send_signal(signal.SIGTERM)
            assert p.process.wait(DEADLINE) == 0
            text = p.out.read_text()
            assert "← GET_FEATURES(" in text and not os.path.exists(p.path), text


def a_program_may_have_several_sockets(program, vu_rng):
    with Program(program, vu_rng, "--socket-path=SOCKET", "--socket-path=SOCKET2") as p:
        fronts = [p.connect(), p.connect("2")]
        for front in fronts:
            front.send(message(GET_FEATURES))
        for front in fronts:
            assert front.recv_message()[0] == GET_FEATURES
            front.close()


def the_program_keeps_its_limits_and_signals(program, _):
    script = "ulimit -S -n >&2; grep -E 'Sig(Blk|Ign)' /proc/self/status >&2"
    with Program(program, "/bin/sh", "-c", script, "sh", "--socket-path=SOCKET") as p:
        said = p.process.stderr.read().split()
        assert said[0] == str(resource.getrlimit(resource.RLIMIT_NOFILE)[0]), said
        assert int(said[2], 16) == 0 and int(said[4], 16) & 1 << signal.SIGPIPE - 1 == 0, said


def live_statistics_are_a_line_each_second(program, vu_rng):
    with Program(program, vu_rng, "--socket-path=SOCKET", options=("--stats",)) as p:
        front = p.connect()
        front.send(message(GET_FEATURES))
        while "messages/s, " not in p.process.stderr.readline():
            pass
        front.close()


def its_status_is_the_programs(program, _):
    with Program(program, "/bin/sh", "-c", "exit 7", "--socket-path=SOCKET") as p:
        assert p.process.wait(DEADLINE) == 7
    with Program(program, "/bin/sh", "-c", "kill -ABRT $$", "--socket-path=SOCKET") as p:
        assert p.process.wait(DEADLINE) == -signal.SIGABRT
    with Program(program, "/does/not/exist", "--socket-path=SOCKET") as p:
        assert p.process.wait(DEADLINE) == 1
        assert "cannot run /does/not/exist: No such file" in p.process.stderr.read()


def signals_are_passed_on(program, _):
    script = "trap 'exit 9' USR1; echo ready >&2; while :; do sleep 0.05; done"
    with Program(program, "/bin/sh", "-c", script, "sh", "--socket-path=SOCKET") as p:
        assert p.process.stderr.readline() == "ready\n"
        p.process.send_signal(signal.SIGUSR1)
        assert p.process.wait(DEADLINE) == 9


def the_program_ends_with_it(program, _):
    script = "trap 'echo ended >&2; exit 0' TERM; echo $$ >&2; while :; do sleep 0.05; done"
    with Program(program, "/bin/sh", "-c", script, "sh", "--socket-path=SOCKET") as p:
        p.process.stderr.readline()
        p.process.kill()
        assert p.process.stderr.readline() == "ended\n"


def paths_elsewhere_are_named(program, _):
    with Program(program, "/bin/sh", "-c", "echo $0 >&2", "a,addr.path=SOCKET,b") as p:
        assert p.process.wait(DEADLINE) == 1
        assert "has no --socket-path: name its path with --socket" in p.process.stderr.read()
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/x"
        done = subprocess.run([program, "--socket", path, "--", "/bin/echo", f"a,addr.path={path},b",
                               f"{path}y"], capture_output=True, text=True, timeout=DEADLINE, check=True)
        first, second = done.stdout.split()
        assert first.startswith("a,addr.path=/tmp/vu-trace-") and first.endswith("/0,b"), first
        assert second == f"{path}y", second


def wrong_usage_ends_with_2(program, _):
    for argv, words in (((), "belong together"), (("--listen=/tmp/x",), "belong together"),
                        (("--listen=/tmp/x", "--connect=/tmp/y", "z"), "either"),
                        (("--listen=", "--connect=/tmp/y"), "a path is missing")):
        done = subprocess.run([program, *argv], capture_output=True, text=True, timeout=DEADLINE, check=False)
        assert done.returncode == 2 and words in done.stderr, done


run([a_line_a_message_with_its_values, json_has_an_object_a_line, what_others_name_is_made_printable,
     a_summary_comes_on_sigusr1, a_program_is_run_behind_it,
     a_program_may_have_several_sockets, the_program_keeps_its_limits_and_signals,
     live_statistics_are_a_line_each_second, its_status_is_the_programs,
     signals_are_passed_on, the_program_ends_with_it, paths_elsewhere_are_named,
     wrong_usage_ends_with_2], *sys.argv[1:])
