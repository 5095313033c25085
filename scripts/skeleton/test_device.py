#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-@NAME@'s first tests: test_@WORD@.py PROGRAM

Driver is a virtual machine as small as can be: a front-end, guest memory, and split rings in it.
"""
import mmap
import os
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

GET_FEATURES, SET_FEATURES, SET_OWNER, SET_MEM_TABLE = 1, 2, 3, 5
SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE, SET_VRING_KICK, SET_VRING_CALL = 8, 9, 10, 12, 13
GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, SET_VRING_ENABLE = 15, 16, 18
GET_CONFIG, SET_CONFIG = 24, 25
VERSION_1, PROTOCOL_FEATURES = 1 << 32, 1 << 30
PROTOCOL_CONFIG = 1 << 9
MEMORY, RING, N_QUEUES = 1 << 20, 16, 2
DATA = N_QUEUES << 12  # behind the rings, which have a page each


def connect(path):
    """To a program that may not listen yet."""
    limit = time.monotonic() + 10
    while True:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(10)
        try:
            client.connect(path)
            return client
        except OSError:
            client.close()
            if time.monotonic() > limit:
                raise
            time.sleep(0.005)


class Driver:
    def __init__(self, path):
        self.socket = connect(path)
        self.fd = os.memfd_create("guest")
        os.ftruncate(self.fd, MEMORY)
        self.memory = mmap.mmap(self.fd, MEMORY)
        self.fds = [(os.eventfd(0), os.eventfd(0)) for _ in range(N_QUEUES)]  # kick, call
        self.used = [0] * N_QUEUES
        self.start()

    def send(self, request, payload=b"", fds=()):
        header = struct.pack("<III", request, 1, len(payload))
        socket.send_fds(self.socket, [header + payload], fds)

    def ask(self, request, payload=b""):
        self.send(request, payload)
        _, _, size = struct.unpack("<III", self.socket.recv(12, socket.MSG_WAITALL))
        return self.socket.recv(size, socket.MSG_WAITALL)

    def start(self):
        features, = struct.unpack("<Q", self.ask(GET_FEATURES))
        assert features & VERSION_1 and features & PROTOCOL_FEATURES
        assert struct.unpack("<Q", self.ask(GET_PROTOCOL_FEATURES))[0] & PROTOCOL_CONFIG
        self.send(SET_PROTOCOL_FEATURES, struct.pack("<Q", PROTOCOL_CONFIG))
        self.send(SET_OWNER)
        self.send(SET_FEATURES, struct.pack("<Q", VERSION_1 | PROTOCOL_FEATURES))
        # one region: guest address 0, user address 0, from the start of the file
        self.send(SET_MEM_TABLE, struct.pack("<IIQQQQ", 1, 0, 0, MEMORY, 0, 0), [self.fd])
        for i, (kick, call) in enumerate(self.fds):
            at = i << 12
            self.send(SET_VRING_NUM, struct.pack("<II", i, RING))
            self.send(SET_VRING_BASE, struct.pack("<II", i, 0))
            self.send(SET_VRING_ADDR, struct.pack("<IIQQQQ", i, 0, at, at + 2048, at + 1024, 0))
            self.send(SET_VRING_CALL, struct.pack("<Q", i), [call])
            self.send(SET_VRING_KICK, struct.pack("<Q", i), [kick])
            self.send(SET_VRING_ENABLE, struct.pack("<II", i, 1))

    def config(self):
        return struct.unpack("<II", self.ask(GET_CONFIG, struct.pack("<III8x", 0, 8, 0))[12:])

    def write_config(self, offset, value):
        self.send(SET_CONFIG, struct.pack("<IIII", offset, 4, 0, value))

    def hand_over(self, queue, data):
        """A request of these bytes, until it is used: how many the device says it wrote."""
        ring, n = queue << 12, self.used[queue]
        self.memory[DATA:DATA + len(data)] = data
        struct.pack_into("<QIHH", self.memory, ring, DATA, len(data), 0, 0)
        struct.pack_into("<H", self.memory, ring + 1024 + 4 + 2 * (n % RING), 0)
        struct.pack_into("<H", self.memory, ring + 1024 + 2, n + 1)
        kick, call = self.fds[queue]
        os.eventfd_write(kick, 1)
        assert select.select([call], [], [], 10)[0], "the device did not call"
        os.eventfd_read(call)
        assert struct.unpack_from("<H", self.memory, ring + 2048 + 2)[0] == n + 1, "not used"
        self.used[queue] = n + 1
        return struct.unpack_from("<I", self.memory, ring + 2048 + 4 + 8 * (n % RING) + 4)[0]

    def close(self):
        self.socket.close()
        self.memory.close()
        for fd in [self.fd, *(fd for fds in self.fds for fd in fds)]:
            os.close(fd)


class First(unittest.TestCase):
    program = ""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()  # pylint: disable=consider-using-with
        self.addCleanup(folder.cleanup)
        path, control = f"{folder.name}/socket", f"{folder.name}/control"
        process = subprocess.Popen(  # pylint: disable=consider-using-with
            [self.program, f"--socket-path={path}", f"--control={control}"])
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        self.driver = Driver(path)
        self.addCleanup(self.driver.close)
        self.control = connect(control)
        self.addCleanup(self.control.close)
        self.lines = self.control.makefile("rw")
        self.addCleanup(self.lines.close)

    def say(self, line):
        print(line, file=self.lines, flush=True)
        lines = iter(self.lines.readline, "ok\n")
        return [line.rstrip("\n") for line in lines if not line.startswith("* ")]

    def test_a_target_reaches_the_driver(self):
        self.assertEqual(self.driver.config(), (0, 0))
        self.assertEqual(self.say("target 5"), ["target 5 actual 0 given 0 taken 0"])
        self.assertEqual(self.driver.config(), (5, 0))

    def test_what_the_driver_writes_reaches_the_device(self):
        self.driver.write_config(4, 3)
        self.assertEqual(self.driver.config(), (0, 3))
        self.assertEqual(self.say("target"), ["target 0 actual 3 given 0 taken 0"])

    def test_requests_of_both_queues_are_completed(self):
        for _ in range(3 * RING):
            self.assertEqual(self.driver.hand_over(0, bytes(8)), 0)
        self.assertEqual(self.driver.hand_over(1, bytes(4)), 0)
        self.assertEqual(self.say("target"), [f"target 0 actual 0 given {6 * RING} taken 1"])

    def test_a_malformed_request_is_answered_and_not_counted(self):
        self.assertEqual(self.driver.hand_over(0, bytes(3)), 0)
        self.assertEqual(self.say("target"), ["target 0 actual 0 given 0 taken 0"])


if __name__ == "__main__":
    First.program = sys.argv.pop(1)
    unittest.main()
