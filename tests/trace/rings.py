# SPDX-License-Identifier: MIT
"""Both sides of a ring for tests of vu-trace: a driver and a device that do as they are told."""

import mmap
import os
import select
import struct

from harness import (DEADLINE, GET_VRING_BASE, SET_FEATURES, SET_MEM_TABLE, SET_VRING_ADDR,
                     SET_VRING_BASE, SET_VRING_CALL, SET_VRING_KICK, SET_VRING_NUM, REPLY, u64)

NEXT, WRITE, INDIRECT, AVAIL, USED = 1, 2, 4, 1 << 7, 1 << 15
VERSION_1, PROTOCOL_FEATURES, ACCESS_PLATFORM, RING_PACKED = 1 << 32, 1 << 30, 1 << 33, 1 << 34
SIZE, USER, GUEST = 1 << 20, 0x7f0000000000, 0x100000
DESC, DRIVER, DEVICE, BUFFERS = 0, 0x8000, 0x10000, 0x20000
NUM = 16


class Ring:
    """Queue `index`: guest memory, started by the messages of a front-end."""

    def __init__(self, trace, index=0, packed=False, features=0, base=None, num=NUM, iova=None):
        self.t, self.index, self.packed, self.num = trace, index, packed, num
        self.fd = os.memfd_create("ram")
        os.truncate(self.fd, SIZE)
        self.memory = mmap.mmap(self.fd, SIZE)
        self.at = BUFFERS
        self.avail = self.used = 0
        self.wrap = self.used_wrap = 1
        self.next_desc = 0
        features |= VERSION_1 | PROTOCOL_FEATURES | (RING_PACKED if packed else 0)
        trace.tell(SET_FEATURES, u64(features))
        trace.tell(SET_MEM_TABLE, struct.pack("=IIQQQQ", 1, 0, GUEST, SIZE, USER, 0), [self.fd])
        trace.tell(SET_VRING_NUM, struct.pack("=II", index, num))
        if base is None:
            base = 0x80008000 if packed else 0
        trace.tell(SET_VRING_BASE, struct.pack("=II", index, base))
        user = USER if iova is None else iova
        trace.tell(SET_VRING_ADDR, struct.pack("=IIQQQQ", index, 0, user + DESC, user + DEVICE,
                                               user + DRIVER, 0))
        self.kick = os.eventfd(0, os.EFD_NONBLOCK)
        self.call = os.eventfd(0, os.EFD_NONBLOCK)
        trace.tell(SET_VRING_CALL, u64(index), [self.call])
        self.back_call = trace.back.held[-1]
        trace.tell(SET_VRING_KICK, u64(index), [self.kick])
        self.back_kick = trace.back.held[-1]

    def alloc(self, data):
        at, self.at = self.at, (self.at + len(data) + 15) // 16 * 16
        if self.at > SIZE:
            at, self.at = BUFFERS, BUFFERS + (len(data) + 15) // 16 * 16
        self.memory[at:at + len(data)] = data
        return GUEST + at

    def put_desc(self, slot, addr, length, first, second):
        struct.pack_into("<QIHH", self.memory, DESC + 16 * slot, addr, length, first, second)

    def add(self, segments, indirect=False):
        """segments: (bytes, device writes).  Makes them available; the id."""
        parts = [(self.alloc(data), len(data), WRITE if write else 0) for data, write in segments]
        if indirect:
            table = b""
            for i, (addr, length, flags) in enumerate(parts):
                last = i == len(parts) - 1
                table += struct.pack("<QIHH", addr, length, *((0, flags) if self.packed else
                                                              (flags | (0 if last else NEXT), i + 1)))
            parts = [(self.alloc(table), len(table), INDIRECT)]
        self.written = parts
        return self.add_packed(parts) if self.packed else self.add_split(parts)

    def add_split(self, parts):
        head = self.next_desc
        for i, (addr, length, flags) in enumerate(parts):
            slot = (head + i) % self.num
            more = i < len(parts) - 1
            self.put_desc(slot, addr, length, flags | (NEXT if more else 0), (slot + 1) % self.num)
        self.next_desc = (head + len(parts)) % self.num
        self.offer(head)
        return head

    def offer(self, head):
        struct.pack_into("<H", self.memory, DRIVER + 4 + 2 * (self.avail % self.num), head)
        self.avail = self.avail + 1 & 0xffff
        struct.pack_into("<H", self.memory, DRIVER + 2, self.avail)

    def add_packed(self, parts):
        ident = self.next_desc
        self.next_desc = (self.next_desc + 1) % self.num
        todo = []
        for i, (addr, length, flags) in enumerate(parts):
            flags |= NEXT if i < len(parts) - 1 else 0
            flags |= AVAIL if self.wrap else USED
            todo.append((self.avail, addr, length, ident, flags))
            self.avail += 1
            if self.avail == self.num:
                self.avail, self.wrap = 0, 1 - self.wrap
        for desc in reversed(todo):  # the first one makes it available
            self.put_desc(*desc)
        self.length = len(parts)
        return ident

    def kick_and_wait(self):
        os.eventfd_write(self.kick, 1)
        assert select.select([self.back_kick], [], [], DEADLINE)[0], "the kick did not arrive"
        os.eventfd_read(self.back_kick)

    def complete(self, ident, used, length=1):
        """The device is done; length: descriptors in a packed ring."""
        if self.packed:
            flags = AVAIL | USED if self.used_wrap else 0
            self.put_desc(self.used, 0, used, ident, flags)
            self.used += length
            if self.used >= self.num:
                self.used, self.used_wrap = self.used - self.num, 1 - self.used_wrap
        else:
            struct.pack_into("<II", self.memory, DEVICE + 4 + 8 * (self.used % self.num), ident, used)
            self.used = self.used + 1 & 0xffff
            struct.pack_into("<H", self.memory, DEVICE + 2, self.used)

    def call_and_wait(self):
        os.eventfd_write(self.back_call, 1)
        assert select.select([self.call], [], [], DEADLINE)[0], "the call did not arrive"
        os.eventfd_read(self.call)

    def do(self, out, written=b"", room=0, used=None, split_at=None, indirect=False):
        """A request: what it reads, what is written into its room, from the kick to the call."""
        room = max(room, len(written))
        segments = [(out, False)] if out else []
        if split_at:
            segments = [(out[:split_at], False), (out[split_at:], False)]
        if room:
            segments.append((bytes(room), True))
        ident = self.add(segments, indirect)
        at = self.at
        self.kick_and_wait()
        # The room is the last buffer but for a table.
        if room:
            table = 16 * len(segments) if indirect else 0
            start = at - (table + 15) // 16 * 16 - (room + 15) // 16 * 16
            self.memory[start:start + len(written)] = written
        self.complete(ident, len(written) if used is None else used,
                      1 if indirect else len(segments))
        self.call_and_wait()

    def stop(self):
        self.t.tell(GET_VRING_BASE, struct.pack("=II", self.index, 0))
        self.t.answer(GET_VRING_BASE, struct.pack("=II", self.index, self.avail), flags=REPLY)
