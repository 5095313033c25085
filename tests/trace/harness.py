# SPDX-License-Identifier: MIT
"""vu-trace between two sides that are written in Python and record all that comes."""

import array
import faulthandler
import json
import os
import pathlib
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kit"))
from child import HANG, Child  # noqa: E402

REPLY, NEED_REPLY = 4, 8
(GET_FEATURES, SET_FEATURES, SET_OWNER, RESET_OWNER, SET_MEM_TABLE, SET_LOG_BASE, SET_LOG_FD,
 SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE, GET_VRING_BASE, SET_VRING_KICK, SET_VRING_CALL,
 SET_VRING_ERR, GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, GET_QUEUE_NUM,
 SET_VRING_ENABLE) = range(1, 19)
SET_BACKEND_REQ_FD, GET_CONFIG, POSTCOPY_LISTEN, POSTCOPY_END, ADD_MEM_REG = 21, 24, 29, 30, 37
CONFIG_CHANGE_MSG = 2
DEADLINE = HANG / 2  # of one thing that is waited for; HANG is for all
ALL_PROTOCOL = (1 << 23) - 1


class Skip(Exception):
    """This cannot be tried here."""


def u64(value):
    return struct.pack("=Q", value)


def message(request, payload=b"", flags=0, version=1):
    return struct.pack("=III", request, flags | version, len(payload)) + payload


def identity(fd):
    """Which file an fd is: the same in every process."""
    name = os.readlink(f"/proc/self/fd/{fd}")
    with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as info:
        number = [line for line in info if line.startswith("eventfd-id")]
    at = os.fstat(fd)
    return name, at.st_dev, at.st_ino, *number


class End:
    """One end: what came, byte by byte, and the descriptors with the place they came at."""

    def __init__(self, sock):
        self.sock = sock
        self.bytes = b""
        self.fds = []  # (offset, identity)
        self.held = []  # of fds

    def send(self, data, fds=()):
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        sent = self.sock.sendmsg([data], control)
        if sent < len(data):
            self.sock.sendall(data[sent:])

    def take(self, wait=DEADLINE):
        """Whatever comes next; False at the end."""
        if not select.select([self.sock], [], [], wait)[0]:
            raise AssertionError(f"nothing came after {len(self.bytes)} bytes")
        try:
            # One byte, and then the rest: so it is seen where descriptors are.
            data, control, _, _ = self.sock.recvmsg(1, socket.CMSG_SPACE(4 * 253),
                                                    socket.MSG_CMSG_CLOEXEC)
        except ConnectionResetError:
            return False
        for level, kind, content in control:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds = array.array("i")
                fds.frombytes(content[:len(content) - len(content) % fds.itemsize])
                self.fds += [(len(self.bytes), identity(fd)) for fd in fds]
                self.held += fds
        self.bytes += data
        return bool(data)

    def wait_bytes(self, count):
        while len(self.bytes) < count:
            assert self.take(), f"closed after {len(self.bytes)} bytes of {count}"

    def recv(self, count):
        """The next count bytes that were not asked for yet."""
        start = getattr(self, "asked", 0)
        self.wait_bytes(start + count)
        self.asked = start + count
        return self.bytes[start:start + count]

    def recv_message(self):
        request, flags, size = struct.unpack("=III", self.recv(12))
        return request, flags, self.recv(size)

    def wait_closed(self):
        while self.take():
            pass

    def close(self):
        self.sock.close()
        for fd in self.held:
            os.close(fd)
        self.held = []


class Trace:
    """vu-trace, and both ends of one connection."""

    def __init__(self, program, *options, connect=True, output=True):
        self.folder = tempfile.TemporaryDirectory(prefix="vu-trace-test-")
        self.front_path = os.path.join(self.folder.name, "front")
        self.back_path = os.path.join(self.folder.name, "back")
        self.out_path = os.path.join(self.folder.name, "out")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.back_path)
        self.listener.listen()
        self.listener.settimeout(DEADLINE)
        argv = [program, f"--listen={self.front_path}", f"--connect={self.back_path}",
                *([f"--output={self.out_path}"] if output else []), *options]
        self.process = Child(argv, stdout=subprocess.PIPE if not output else None)
        self.front = self.back = None
        if connect:
            self.connect()

    def connect(self):
        limit = time.monotonic() + DEADLINE
        front = socket.socket(socket.AF_UNIX)
        while front.connect_ex(self.front_path):
            assert self.process.poll() is None and time.monotonic() < limit, "it does not listen"
            time.sleep(0.01)
        self.front = End(front)
        self.back = End(self.listener.accept()[0])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for end in (self.front, self.back):
            if end:
                end.close()
        self.listener.close()
        self.process.end()
        self.folder.cleanup()

    def stop(self, status=0):
        """End both sides and the tool: all that it said."""
        for end in (self.front, self.back):
            if end:
                end.close()
        self.wait_text("closed the connection")
        self.process.terminate()
        assert self.process.wait(DEADLINE) == status, self.process.returncode
        return self.text()

    def text(self):
        return pathlib.Path(self.out_path).read_text(encoding="utf-8")

    def wait_text(self, words):
        limit = time.monotonic() + DEADLINE
        while words not in self.text():
            assert time.monotonic() < limit, f"no {words!r} in:\n{self.text()}"
            time.sleep(0.01)

    def lines(self):
        """The output of --json."""
        return [json.loads(line) for line in self.text().splitlines()]

    # Both sides, a message at a time.

    def tell(self, request, payload=b"", fds=(), flags=0):
        data = message(request, payload, flags)
        before = len(self.back.bytes)
        self.front.send(data, fds)
        self.back.wait_bytes(before + len(data))

    def answer(self, request, payload=b"", fds=(), flags=REPLY):
        data = message(request, payload, flags)
        before = len(self.front.bytes)
        self.back.send(data, fds)
        self.front.wait_bytes(before + len(data))

    def ask(self, request, reply, payload=b"", fds=()):
        self.tell(request, payload, fds)
        self.answer(request, reply)

    def negotiate(self, features=1 << 30 | 1 << 32, protocol=ALL_PROTOCOL & ~(1 << 14)):
        self.ask(GET_FEATURES, u64(features))
        self.tell(SET_FEATURES, u64(features))
        self.ask(GET_PROTOCOL_FEATURES, u64(protocol))
        self.tell(SET_PROTOCOL_FEATURES, u64(protocol))


def run(cases, *args):
    """Each case is a function with a sentence as its name."""
    faulthandler.dump_traceback_later(HANG, exit=True)
    failed = skipped = 0
    for case in cases:
        try:
            case(*args)
            print(f"ok {case.__name__}", flush=True)
        except Skip as why:
            print(f"skipped {case.__name__}: {why}", flush=True)
            skipped += 1
        except Exception as error:  # pylint: disable=broad-except
            import traceback
            traceback.print_exc()
            print(f"not ok {case.__name__}: {error}", flush=True)
            failed += 1
    if not failed and skipped == len(cases):
        sys.exit(77)
    sys.exit(failed != 0)
