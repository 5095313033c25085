# SPDX-License-Identifier: MIT
"""The device side of both ring layouts, for backend.py: one request at a time, nothing fast."""

import struct

NEXT, WRITE, INDIRECT = 1, 2, 4
AVAIL, USED = 1 << 7, 1 << 15


class Bad(Exception):
    """Something that no driver or front-end may do."""


class Memory:
    """Regions of guest memory, each a dict of gpa, size, uva, map, offset."""

    def __init__(self, faults, session):
        self.regions, self.faults, self.log, self.log_on = [], faults, None, False
        self.session, self.is_translated = session, False

    def translated(self, addr, size, access):
        """The same, where addresses are an IOMMU's: page by page."""
        found = []
        while size:
            n = min(size, 4096 - addr % 4096)
            found += self.pieces_of(self.session.translate(addr, access), n, "uva")
            addr, size = addr + n, size - n
        return found

    def pieces(self, addr, size, key="gpa", access=1):
        if self.is_translated and addr + size <= 1 << 64:
            return self.translated(addr, size, access)
        return self.pieces_of(addr, size, key)

    def pieces_of(self, addr, size, key):
        """Where size bytes are: (map, offset, length) for each region that they are in."""
        if addr + size > 1 << 64:
            raise Bad("beyond all addresses")
        if "mem-high" in self.faults:
            addr &= 0xffffffff
        found = []
        while size:
            for r in self.regions:
                if r[key] <= addr < r[key] + r["size"]:
                    at = addr - r[key]
                    n = min(size, r["size"] - at)
                    found.append((r["map"], r["offset"] + at, n))
                    break
            else:
                raise Bad(f"no memory at {addr:#x}")
            addr, size = addr + n, size - n
        if len(found) > 1 and (key == "uva" or "mem-straddle" in self.faults):
            raise Bad("in two regions")
        return found

    def read(self, addr, size, key="gpa"):
        return b"".join(m[at:at + n] for m, at, n in self.pieces(addr, size, key))

    def write(self, addr, data, key="gpa"):
        for m, at, n in self.pieces(addr, len(data), key, 2):
            m[at:at + n], data = data[:n], data[n:]

    def mark(self, gpa, size):
        if not self.log or not self.log_on:
            return
        for page in range(gpa >> 12, ((gpa + size - 1) >> 12) + 1):
            if page // 8 >= len(self.log):
                raise Bad("past the end of the log")
            self.log[page // 8] |= 1 << page % 8

    def gpa(self, uva):
        for r in self.regions:
            if r["uva"] <= uva < r["uva"] + r["size"]:
                return uva - r["uva"] + r["gpa"]
        raise Bad(f"no memory at {uva:#x}")


class Chain:
    """A request: buffers as (gpa, size, is_write)."""

    def __init__(self, head, buffers, slots, is_indirect):
        self.head, self.buffers, self.slots, self.is_indirect = head, buffers, slots, is_indirect


def table(memory, gpa, size, flags_at):
    """The buffers of an indirect table in guest memory, whose descriptors are in order."""
    if not size or size % 16:
        raise Bad("half a descriptor")
    found = []
    for i in range(size // 16):
        addr, length, *rest = struct.unpack("<QIHH", memory.read(gpa + 16 * i, 16))
        found.append((addr, length, bool(rest[flags_at] & WRITE)))
    return found


class Split:
    def __init__(self, memory, ring, features):
        self.m, self.size, self.ring = memory, ring["num"], ring
        self.desc, self.used, self.avail = ring["addr"]
        self.event_idx = features >> 29 & 1
        self.at = ring["base"] & 0xffff
        for addr, size in ((self.desc, 16), (self.used, 8), (self.avail, 2)):
            memory.pieces(addr, 6 * (size != 16) + size * self.size, "uva")
        if not self.size or self.size & (self.size - 1):
            raise Bad("not a power of two")
        self.used_at = self._get("<H", self.used + 2)

    def _get(self, form, uva):
        return struct.unpack(form, self.m.read(uva, struct.calcsize(form), "uva"))[0]

    def _chain(self, head):
        if head >= self.size:
            raise Bad("a head that there is not")
        found, i, n = [], head, 0
        while True:
            n += 1
            if n > self.size or i >= self.size:
                raise Bad("a chain that cannot be")
            gpa, length, flags, follows = struct.unpack(
                "<QIHH", self.m.read(self.desc + 16 * i, 16, "uva"))
            if flags & INDIRECT:
                return Chain(head, found + table(self.m, gpa, length, 0), n, True)
            found.append((gpa, length, bool(flags & WRITE)))
            if not flags & NEXT:
                return Chain(head, found, n, False)
            i = follows

    def again(self, head):
        return self._chain(head)

    def take(self):
        idx = self._get("<H", self.avail + 2)
        if idx - self.at & 0xffff > self.size:
            raise Bad("more requests than entries")
        if self.event_idx and "split-event-idx" not in self.m.faults:
            self.m.write(self.used + 4 + 8 * self.size, struct.pack("<H", self.at), "uva")
            idx = self._get("<H", self.avail + 2)
        if idx == self.at:
            return None
        head = self._get("<H", self.avail + 4 + 2 * (self.at % self.size))
        chain = self._chain(head)
        self.at = self.at + 1 & 0xffff
        return chain

    def push(self, chain, length):
        place = self.used + 4 + 8 * (self.used_at % self.size)
        self.m.write(place, struct.pack("<II", chain.head, length), "uva")
        self.used_at = self.used_at + 1 & 0xffff
        self.m.write(self.used + 2, struct.pack("<H", self.used_at), "uva")
        if self.m.log_on:
            own = "log-address" in self.m.faults
            self.m.mark(self.m.gpa(self.used) if own else self.ring["log"], 6 + 8 * self.size)

    def base(self):
        return self.at


class Packed:
    def __init__(self, memory, ring, features):
        self.m, self.size = memory, ring["num"]
        self.desc, self.device, _ = ring["addr"]
        base = ring["base"] or 0x80008000
        self.at, self.wrap = base & 0x7fff, base >> 15 & 1
        self.used_at, self.used_wrap = base >> 16 & 0x7fff, base >> 31
        memory.pieces(self.desc, 16 * self.size, "uva")
        if "packed-event-idx" in memory.faults and features >> 29 & 1:
            memory.write(self.device, struct.pack("<HH", 0, 1), "uva")

    def _is_available(self, flags):
        return bool(flags & AVAIL) == bool(self.wrap) != bool(flags & USED)

    def take(self):
        found, n, at, is_indirect = [], 0, self.at, False
        while True:
            gpa, length, ident, flags = struct.unpack(
                "<QIHH", self.m.read(self.desc + 16 * at, 16, "uva"))
            if not n and not self._is_available(flags):
                return None
            n, at = n + 1, (at + 1) % self.size
            if n > self.size:
                raise Bad("a chain without end")
            if flags & INDIRECT:
                found, is_indirect = found + table(self.m, gpa, length, 1), True
            else:
                found.append((gpa, length, bool(flags & WRITE)))
            if not flags & NEXT or is_indirect:
                break
        self.at += n
        if self.at >= self.size:
            self.at, self.wrap = self.at - self.size, self.wrap ^ 1
        return Chain(ident, found, n, is_indirect)

    def push(self, chain, length):
        flags = AVAIL | USED if self.used_wrap else 0
        place = self.desc + 16 * self.used_at
        self.m.write(place + 8, struct.pack("<IH", length, chain.head), "uva")
        self.m.write(place + 14, struct.pack("<H", flags | (WRITE if length else 0)), "uva")
        if self.m.log_on:
            self.m.mark(self.m.gpa(self.desc), 16 * self.size)
        self.used_at += chain.slots
        if self.used_at >= self.size:
            self.used_at, self.used_wrap = self.used_at - self.size, self.used_wrap ^ 1

    def base(self):
        return self.at | self.wrap << 15 | self.used_at << 16 | self.used_wrap << 31
