# SPDX-License-Identifier: MIT
"""The driver's side of a testing.Peer: guest memory, and queues in it, by libvu-testing."""

from __future__ import annotations

import errno
import os
import select
import time
from collections import defaultdict
from typing import Any, Optional, Protocol, Sequence, Union

from ._peer import ffi, lib
from .class_messages import PeerError
from .handle import Handle

GUEST_BASE = 0x1_0000_0000  # where the memory is, as the driver sees it
NOWHERE = (1 << 64) - 1

Buffers = Union[bytes, Sequence[bytes]]
Sizes = Union[int, Sequence[int]]


class Owner(Protocol):
    """What a queue needs of its peer."""

    memory: Memory
    sock: Any

    @property
    def core(self) -> Any:
        """The peer in C."""

    def check(self, ret: int) -> int:
        """Raises PeerError for what failed."""

    def check_open(self) -> None:
        """PeerError once the back-end has gone."""


class Memory(Handle):
    """Guest memory: a file that the back-end maps, and an allocator for rings and buffers."""

    def __init__(self, core: Any, size: int) -> None:
        self.size = size
        self._core = core
        #: The file; the peer's.
        self.fd: int = lib.vut_memory_fd(core, GUEST_BASE)
        # The peer in C owns the mapping: it lives as long as anybody has a view.
        region = ffi.gc(ffi.cast("char *", lib.vut_at(core, GUEST_BASE, size)),
                        lambda _, core=core: None)
        self.view = memoryview(ffi.buffer(region, size))
        self._free: dict[int, list[int]] = defaultdict(list)

    @staticmethod
    def _class(size: int) -> int:
        return max(64, 1 << max(size - 1, 1).bit_length())

    def allocate(self, size: int) -> int:
        """Offset of `size` bytes, aligned to 64 or more."""
        if self._core is None:
            raise PeerError("the peer is closed")
        rounded = self._class(size)
        if self._free[rounded]:
            return self._free[rounded].pop()
        at = int(lib.vut_alloc(self._core, rounded, min(rounded, 4096)))
        if at == NOWHERE:
            raise MemoryError(f"the guest has {self.size} bytes; see Peer(memory=)")
        return at - GUEST_BASE

    def free(self, offset: int, size: int) -> None:
        """Gives them back."""
        self._free[self._class(size)].append(offset)

    def close(self) -> None:
        """Views of the caller's, if any, keep the mapping."""
        self.view.release()
        self._core = None


class Added:
    """A request that the driver made available."""

    def __init__(self, pieces: list[tuple[int, int, bool]]):
        self.head = -1
        self.pieces = pieces
        #: Bytes written, as the device says; None until it completed the request.
        self.written: Optional[int] = None
        #: What it wrote.
        self.data = b""


class Virtqueue(Handle):
    """The driver's side of a queue; made by Peer.queue()."""

    def __init__(self, peer: Owner, index: int) -> None:
        self.peer, self.index = peer, index
        self._inflight: dict[int, Added] = {}
        self._completed: list[Added] = []  # and not yet told
        self._used = ffi.new("struct vut_used[64]")
        #: What the device calls, for a loop of the caller's; the peer's.
        self.call_fd: int = lib.vut_call_fd(peer.core, index)
        peer.check(lib.vut_start_queue(peer.core, index))

    def start(self, base: int) -> None:
        """Starts the ring where stop() said it was."""
        self.peer.check(lib.vut_set_base(self.peer.core, self.index, base))
        self.peer.check(lib.vut_start_queue(self.peer.core, self.index))

    def stop(self) -> int:
        """Stops the ring; returns once the device has finished what it took."""
        self.peer.check(lib.vut_stop_queue(self.peer.core, self.index))
        return int(lib.vut_base(self.peer.core, self.index))

    def add(self, readable: Buffers = (), writable: Sizes = (), *, indirect: bool = False) -> Added:
        """Makes a request available: one buffer for each piece.  The device learns by kick().

        `indirect`: in a table of its own, which takes one descriptor of the ring.
        """
        sources = [readable] if isinstance(readable, (bytes, bytearray)) else list(readable)
        sizes = [writable] if isinstance(writable, int) else list(writable)
        memory, pieces = self.peer.memory, []
        for data in sources:
            if data:
                start = memory.allocate(len(data))
                memory.view[start:start + len(data)] = data
                pieces.append((start, len(data), False))
        pieces += [(memory.allocate(n), n, True) for n in sizes if n]
        if not pieces:
            raise ValueError("a request needs at least one byte")
        added = Added(pieces)
        buffers = ffi.new("struct vut_buffer[]", [(GUEST_BASE + start, length, device_writes)
                                                  for start, length, device_writes in pieces])
        add = lib.vut_add_indirect if indirect else lib.vut_add
        head = int(add(self.peer.core, self.index, buffers, len(pieces), ffi.NULL))
        if head < 0:
            for start, length, _ in pieces:
                memory.free(start, length)
            if head == -errno.ENOSPC:
                raise PeerError(f"queue {self.index}: no descriptors left: wait() for requests")
            self.peer.check(head)
        added.head = head
        self._inflight[head] = added
        self.peer.check(lib.vut_publish(self.peer.core, self.index))
        return added

    def kick(self, anyway: bool = False) -> bool:
        """Notifies the device if it wants that, or `anyway`; returns whether it did."""
        if anyway:
            self.peer.check(lib.vut_kick_anyway(self.peer.core, self.index))
            return True
        return bool(self.peer.check(lib.vut_kick(self.peer.core, self.index)))

    def used(self) -> list[Added]:
        """Requests that were completed and neither waited for nor returned yet; does not wait."""
        self._look()
        found, self._completed = self._completed, []
        return found

    def _look(self) -> None:
        while True:
            n = self.peer.check(lib.vut_collect(self.peer.core, self.index, self._used,
                                                len(self._used)))
            for i in range(n):
                self._take(self._used[i].id, self._used[i].len)
            if n < len(self._used):
                return

    def _take(self, head: int, written: int) -> None:
        memory = self.peer.memory
        added = self._inflight.pop(head)
        left = added.written = written
        for start, length, device_writes in added.pieces:
            if device_writes:
                added.data += bytes(memory.view[start:start + min(left, length)])
                left -= min(left, length)
            memory.free(start, length)
        if left:
            raise PeerError(f"queue {self.index}: {written} bytes are more than there is room")
        self._completed.append(added)

    def wait(self, added: Optional[Added] = None, timeout: float = 120) -> Added:
        """Waits for a request's completion (the next of any without one)."""
        end = time.monotonic() + timeout
        while True:
            self._look()
            if added is None and self._completed:
                return self._completed.pop(0)
            if added is not None and added.written is not None:
                self._completed = [other for other in self._completed if other is not added]
                return added
            left = end - time.monotonic()
            if left <= 0:
                raise PeerError(f"queue {self.index}: nothing was completed in {timeout} s")
            select.select([self.call_fd, self.peer.sock.fileno()], [], [], left)
            self.interrupted()
            self.peer.check_open()

    def interrupted(self) -> bool:
        """Whether the device notified the driver since the last look."""
        return bool(lib.vut_take_calls(self.peer.core, self.index))

    def call_after(self, requests: int, descriptors: int = 1) -> None:
        """With EVENT_IDX: no notification for the next so many requests, of so many pieces each."""
        self.peer.check(lib.vut_call_after(self.peer.core, self.index, requests, descriptors))

    def want_calls(self, want: bool) -> bool:
        """Asks for notifications, or for none; True: something is completed already."""
        return bool(self.peer.check(lib.vut_want_calls(self.peer.core, self.index, want)))

    def inflight(self) -> int:
        """How many requests the in-flight log has (with Peer(inflight=True))."""
        return int(lib.vut_inflight(self.peer.core, self.index))

    def offer_nonsense(self) -> None:
        """What no driver does: a request that cannot be."""
        self.peer.check(lib.vut_offer_nonsense(self.peer.core, self.index))

    def request(self, readable: Buffers = (), writable: Sizes = (), timeout: float = 120) -> bytes:
        """Adds a request, kicks, waits; returns what the device wrote."""
        added = self.add(readable, writable)
        self.kick()
        return self.wait(added, timeout).data


class DirtyLog(Handle):
    """Pages that the back-end wrote, as in a migration; made by Peer.dirty_log().

    Offsets are those of Memory.  What the driver writes itself is not marked.
    """

    def __init__(self, peer: Owner) -> None:
        self._peer = peer
        peer.check(lib.vut_log_begin(peer.core))

    def has(self, offset: int) -> bool:
        """Is the page marked in which this byte is?"""
        return bool(lib.vut_log_has(self._peer.core, GUEST_BASE + offset))

    def __len__(self) -> int:
        return int(lib.vut_log_count(self._peer.core))

    def copy(self) -> int:
        """A round of migration: copies what is marked, takes the marks away; how many pages."""
        return self._peer.check(lib.vut_log_copy(self._peer.core))

    def is_same(self, offset: int, length: int) -> bool:
        """Has the copy what is in memory?"""
        return bool(lib.vut_log_is_same(self._peer.core, GUEST_BASE + offset, length))

    def __enter__(self) -> DirtyLog:
        return self

    def __exit__(self, *_: Any) -> None:
        self._peer.check(lib.vut_log_end(self._peer.core))


def fd_copy(fd: int) -> int:
    """A descriptor of the caller's own; PeerError without one."""
    if fd < 0:
        raise PeerError(os.strerror(-fd))
    return os.dup(fd)
