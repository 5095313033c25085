# SPDX-License-Identifier: MIT
"""A back-end that moves, for backend.py: postcopy, and a device's state through a pipe."""

import ctypes
import fcntl
import os
import platform
import struct

from rings import Bad

UFFDIO_API, UFFDIO_REGISTER = 0xc018aa3f, 0xc020aa00
MISSING, USER_MODE_ONLY = 1, 1
OWN_STATE = b"what a device of the tests has to remember"
SAVE, LOAD, NO_FD = 0, 1, 0x100


def userfaultfd():
    """A descriptor, or -1 where there is none to be had."""
    number = {"x86_64": 323, "aarch64": 282}.get(platform.machine())
    if number is None:
        return -1
    fd = ctypes.CDLL(None, use_errno=True).syscall(number, os.O_CLOEXEC | USER_MODE_ONLY)
    if fd >= 0:
        fcntl.ioctl(fd, UFFDIO_API, struct.pack("QQQ", 0xaa, 0, 0))
    return fd


def has_userfaultfd():
    fd = userfaultfd()
    if fd >= 0:
        os.close(fd)
    return fd >= 0


class Moves:
    """Messages of a migration; part of a Session."""

    def __init__(self):
        self.faults_fd, self.is_listening, self.state_fd, self.is_right = -1, False, -1, True
        self.proposed = []

    # Postcopy

    def on_28(self, *_):
        self.faults_fd = userfaultfd()
        fd = os.open("/dev/null", os.O_RDONLY) if self.has("postcopy-advise") else os.dup(self.faults_fd)
        return b"", [fd]

    def on_29(self, *_):
        self.is_listening = True

    def on_30(self, *_):
        self.is_listening = False
        os.close(self.faults_fd)
        return struct.pack("Q", 0)

    def is_ack(self, payload):
        """Of what was proposed; by then the front-end knows where faults will be."""
        if not self.proposed or len(payload) != 8:
            return False
        for address, size in self.proposed:
            if not self.has("postcopy-fault"):
                fcntl.ioctl(self.faults_fd, UFFDIO_REGISTER,
                            struct.pack("QQQQ", address, size, MISSING, 0))
        self.proposed = []
        return True

    def propose(self, payload):
        """The same payload, a region of which was just mapped, with the address that it has here."""
        if not self.is_listening:
            return None
        region = self.memory.regions[-1]
        address = ctypes.addressof(ctypes.c_char.from_buffer(region["map"])) + region["offset"]
        self.proposed.append((address, region["size"]))
        if self.has("postcopy-table", "postcopy-slots"):
            address = 0
        return payload[:24] + struct.pack("Q", address) + payload[32:40]

    # A device's state

    def on_42(self, payload, fds):
        direction, phase = struct.unpack("II", payload)
        if direction > LOAD or phase:
            raise Bad("a direction that there is not")
        self.is_right = not self.has("state-save")
        if direction == LOAD:
            self.state_fd = fds[0]
        else:
            os.write(fds[0], OWN_STATE)
            os.close(fds[0])
        return struct.pack("Q", NO_FD)

    def on_43(self, *_):
        if self.state_fd >= 0:
            with os.fdopen(self.state_fd, "rb") as file:
                if file.read() != OWN_STATE:
                    raise Bad("a state of something else")
            self.state_fd, self.is_right = -1, not self.has("state-load")
        return struct.pack("Q", 0 if self.is_right else 1)
