#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-@NAME@'s first tests: test_@WORD@.py PROGRAM

Driver is a virtual machine as small as can be: a front-end, guest memory, and split rings in it.
Everyone's holds for any device: it stays.  The template's go when the device does something else.
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
GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, GET_QUEUE_NUM, SET_VRING_ENABLE = 15, 16, 17, 18
GET_CONFIG, SET_CONFIG = 24, 25
VERSION_1, PROTOCOL_FEATURES = 1 << 32, 1 << 30
PROTOCOL_MQ, PROTOCOL_CONFIG = 1 << 0, 1 << 9
NEXT, WRITE = 1, 2  # flags of descriptors
RING, DATA = 16, 1 << 20  # each ring has a page; the data lies behind all of them
MEMORY = DATA + (64 << 10)
HANG = 600  # seconds, to find out that nothing comes: only what hangs takes so long


def connect(path):
    """To a program that may not listen yet."""
    limit = time.monotonic() + HANG
    while True:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(HANG)
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
        self.fds, self.open = [], [self.fd]  # of each queue: kick, call; all
        self.start()
        self.added = [0] * len(self.fds)

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
        offered, = struct.unpack("<Q", self.ask(GET_PROTOCOL_FEATURES))
        self.send(SET_PROTOCOL_FEATURES, struct.pack("<Q", offered & (PROTOCOL_MQ | PROTOCOL_CONFIG)))
        n_queues, = struct.unpack("<Q", self.ask(GET_QUEUE_NUM))
        self.send(SET_OWNER)
        self.send(SET_FEATURES, struct.pack("<Q", VERSION_1 | PROTOCOL_FEATURES))
        # one region: guest address 0, user address 0, from the start of the file
        self.send(SET_MEM_TABLE, struct.pack("<IIQQQQ", 1, 0, 0, MEMORY, 0, 0), [self.fd])
        self.fds = [(os.eventfd(0), os.eventfd(0)) for _ in range(n_queues)]
        self.open += [fd for pair in self.fds for fd in pair]
        for i, (kick, call) in enumerate(self.fds):
            at = i << 12
            self.send(SET_VRING_NUM, struct.pack("<II", i, RING))
            self.send(SET_VRING_BASE, struct.pack("<II", i, 0))
            self.send(SET_VRING_ADDR, struct.pack("<IIQQQQ", i, 0, at, at + 2048, at + 1024, 0))
            self.send(SET_VRING_CALL, struct.pack("<Q", i), [call])
            self.send(SET_VRING_KICK, struct.pack("<Q", i), [kick])
            self.send(SET_VRING_ENABLE, struct.pack("<II", i, 1))

    def config(self, offset, size):
        """Bytes of the configuration space; none where it does not reach."""
        return self.ask(GET_CONFIG, struct.pack(f"<III{size}x", offset, size, 0))[12:]

    def write_config(self, offset, data):
        self.send(SET_CONFIG, struct.pack("<III", offset, len(data), 0) + data)

    def add(self, queue, readable=b"", writable=0):
        """A request of these bytes, and room for so many of an answer."""
        ring, n = queue << 12, self.added[queue]
        self.memory[DATA:DATA + len(readable)] = readable
        first = len(readable) and writable and NEXT
        struct.pack_into("<QIHH", self.memory, ring, DATA, len(readable), first, 1)
        struct.pack_into("<QIHH", self.memory, ring + 16, DATA + 4096, writable, WRITE, 0)
        struct.pack_into("<H", self.memory, ring + 1024 + 4 + 2 * (n % RING), 0 if readable else 1)
        struct.pack_into("<H", self.memory, ring + 1024 + 2, n + 1)
        os.eventfd_write(self.fds[queue][0], 1)
        self.added[queue] = n + 1

    def hand_over(self, queue, readable=b"", writable=0):
        """The same, and waits for its end: what the device says that it wrote."""
        self.add(queue, readable, writable)
        ring, call, n = queue << 12, self.fds[queue][1], self.added[queue]
        assert select.select([call], [], [], HANG)[0], "the device did not call"
        os.eventfd_read(call)
        assert struct.unpack_from("<H", self.memory, ring + 2048 + 2)[0] == n, "not used"
        used = ring + 2048 + 4 + 8 * ((n - 1) % RING)
        return self.memory[DATA + 4096:][:struct.unpack_from("<I", self.memory, used + 4)[0]]

    def close(self):
        self.socket.close()
        self.memory.close()
        while self.open:
            os.close(self.open.pop())


class Device(unittest.TestCase):
    program = ""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()  # pylint: disable=consider-using-with
        self.addCleanup(folder.cleanup)
        self.path, self.control = f"{folder.name}/socket", f"{folder.name}/control"
        self.process = self.start()
        self.driver = self.connect()

    def start(self):
        process = subprocess.Popen(  # pylint: disable=consider-using-with
            [self.program, f"--socket-path={self.path}", *self.options()])
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def options(self):
        """More of the program's."""
        return []

    def connect(self):
        driver = Driver(self.path)
        self.addCleanup(driver.close)
        return driver


class Everyones(Device):
    def test_a_driver_starts_all_queues_and_reads_the_configuration_space(self):
        self.assertGreater(len(self.driver.fds), 0)
        for size in (1, 4, 256):
            self.assertIn(len(self.driver.config(0, size)), (0, size))

    def test_requests_without_a_meaning_do_it_no_harm(self):
        for queue in range(len(self.driver.fds)):
            for readable, writable in ((b"?", 0), (b"", 1), (b"?" * 4096, 4096), (bytes(16), 1)):
                self.driver.add(queue, readable, writable)
        self.driver.config(0, 4)
        self.assertIsNone(self.process.poll())

    def test_it_serves_one_driver_after_the_other(self):
        self.driver.add(0, bytes(16), 16)
        self.driver.close()
        self.assertEqual(len(self.connect().fds), len(self.driver.fds))

    def test_it_ends_in_peace_while_a_driver_waits(self):
        self.driver.add(0, bytes(16), 16)
        self.process.terminate()
        self.assertEqual(self.process.wait(HANG), 0)
        self.assertFalse(os.path.exists(self.path))


class Templates(Device):
    def options(self):
        with open(self.program, "rb") as program:
            still = b"pages to be given" in program.read()
        if not still:
            self.skipTest("it is the template no more: tests of its own belong here")
        return [f"--control={self.control}"]

    def say(self, line):
        with connect(self.control) as control, control.makefile("rw") as lines:
            print(line, file=lines, flush=True)
            answer = iter(lines.readline, "ok\n")
            return [line.rstrip("\n") for line in answer if not line.startswith("* ")]

    def test_a_target_reaches_the_driver(self):
        self.assertEqual(self.driver.config(0, 8), struct.pack("<II", 0, 0))
        self.assertEqual(self.say("target 5"), ["target 5 actual 0 given 0 taken 0"])
        self.assertEqual(self.driver.config(0, 8), struct.pack("<II", 5, 0))

    def test_what_the_driver_writes_reaches_the_device(self):
        self.driver.write_config(4, struct.pack("<I", 3))
        self.assertEqual(self.driver.config(0, 8), struct.pack("<II", 0, 3))
        self.assertEqual(self.say("target"), ["target 0 actual 3 given 0 taken 0"])

    def test_requests_of_both_queues_are_completed(self):
        for _ in range(3 * RING):
            self.assertEqual(self.driver.hand_over(0, bytes(8)), b"")
        self.assertEqual(self.driver.hand_over(1, bytes(4)), b"")
        self.assertEqual(self.say("target"), [f"target 0 actual 0 given {6 * RING} taken 1"])

    def test_a_malformed_request_is_answered_and_not_counted(self):
        self.assertEqual(self.driver.hand_over(0, bytes(3)), b"")
        self.assertEqual(self.say("target"), ["target 0 actual 0 given 0 taken 0"])


if __name__ == "__main__":
    Device.program = sys.argv.pop(1)
    unittest.main()
