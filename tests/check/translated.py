# SPDX-License-Identifier: MIT
"""A back-end behind an IOMMU, for backend.py: what it knows of addresses, and how it asks."""

import select
import socket
import struct

from rings import Bad

PAGE = 4096
MISS, UPDATE, INVALIDATE = 1, 2, 3
READ, WRITE = 1, 2


class Translated:
    """IOTLB messages; part of a Session.  Its cache has pages: by number, address and permissions."""

    def __init__(self):
        self.channel, self.pages = None, {}

    def on_21(self, _, fds):
        self.channel = socket.socket(fileno=fds[0])

    def on_22(self, payload, _):
        iova, size, addr, perm, kind = struct.unpack("QQQBB6x", payload)
        if not size or iova + size > 1 << 64 or perm > 3 or kind not in (UPDATE, INVALIDATE):
            raise Bad("an IOTLB message that cannot be")
        pages = {n for n in range(iova // PAGE, (iova + size - 1) // PAGE + 1)} if kind == UPDATE else \
            {n for n in self.pages if iova <= n * PAGE < iova + size}
        for n in pages:
            if kind == UPDATE:
                self.pages[n] = (addr + (n - iova // PAGE) * PAGE, perm)
            elif not self.has("iommu-invalidate"):
                del self.pages[n]
        if self.has("iommu-ack"):
            return None
        return struct.pack("Q", 0)

    def translate(self, iova, access):
        """The front-end's address; it is asked if that is not known."""
        if self.either("iommu-request"):
            return iova
        if self.has("iommu-read-only"):
            access = READ
        if access & ~self.pages.get(iova // PAGE, (0, 0))[1]:
            self.ask(iova, access)
        addr, perm = self.pages.get(iova // PAGE, (0, 0))
        if access & ~perm:
            raise Bad(f"{iova:#x} is not translated")
        return addr + iova % PAGE

    def ask(self, iova, access):
        payload = struct.pack("QQQBB6x", iova, 0, 0, access, MISS)
        self.channel.sendall(struct.pack("III", 1, 9, len(payload)) + payload)
        while True:
            ready = select.select([self.sock, self.channel], [], [])[0]
            if self.sock in ready:
                if not self.message():
                    raise Bad("gone")
            elif self.channel in ready:
                break
        answer = self.channel.recv(20, socket.MSG_WAITALL)
        if len(answer) < 20 or answer[12:] != bytes(8):
            raise Bad(f"{iova:#x} is not mapped")
