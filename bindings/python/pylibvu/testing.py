# SPDX-License-Identifier: MIT
"""The other side: a front-end and a driver, for tests of any vhost-user back-end.

    def test_rng():
        with testing.served(Rng()) as peer:
            assert len(peer.queue(0).request(writable=16)) == 16

`connect(path)` does the same to a program that listens.  Needs no virtual machine and no
privileges; the driver uses split rings.  A peer is used by one thread at a time.
"""

from __future__ import annotations

import mmap
import os
import select
import socket
import struct
import threading
import time
from collections import defaultdict
from contextlib import contextmanager
from typing import Any, Iterator, Optional, Sequence, Union

from .class_messages import PROTOCOL_FEATURES, ClassMessages, PeerError
from .device import Device
from .handle import Handle
from .runner import Runner

# vhost-user, "Front-end message types"
GET_FEATURES, SET_FEATURES, SET_OWNER, SET_MEM_TABLE = 1, 2, 3, 5
SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE, GET_VRING_BASE = 8, 9, 10, 11
SET_VRING_KICK, SET_VRING_CALL = 12, 13
GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, GET_QUEUE_NUM, SET_VRING_ENABLE = 15, 16, 17, 18
SET_BACKEND_REQ_FD, GET_CONFIG, SET_CONFIG, SET_STATUS, GET_STATUS = 21, 24, 25, 39, 40
GET_SHMEM_CONFIG = 44
BACKEND_CONFIG_CHANGE = 2
BACKEND_HOST_NOTIFIER, BACKEND_SHMEM_MAP, BACKEND_SHMEM_UNMAP = 3, 9, 10

VERSION, REPLY, NEED_REPLY = 1, 4, 8
F_PROTOCOL_FEATURES, F_VERSION_1 = 30, 32
PF_MQ, PF_REPLY_ACK, PF_BACKEND_REQ, PF_CONFIG, PF_STATUS = 0, 3, 5, 9, 16
PF_BACKEND_SEND_FD, PF_HOST_NOTIFIER, PF_SHMEM_MAP = 10, 11, 22
RING_BITS = {24, 26, 27, 28, 29, 33, 34, 35, 36, 37, 38, 39, 40}  # that this driver does without
STATUS_ACKNOWLEDGE, STATUS_DRIVER, STATUS_DRIVER_OK, STATUS_FEATURES_OK = 1, 2, 4, 8

GUEST_BASE = 0x1_0000_0000  # where the memory is, as the driver sees it
USER_BASE = 0x7000_0000_0000  # and as a front-end's process would

DESC_NEXT, DESC_WRITE = 1, 2

Buffers = Union[bytes, Sequence[bytes]]
Sizes = Union[int, Sequence[int]]


def _eventfd() -> int:
    if hasattr(os, "eventfd"):
        return int(os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC))
    import ctypes  # Python 3.9

    return int(ctypes.CDLL(None).eventfd(0, os.O_NONBLOCK | os.O_CLOEXEC))


class Memory(Handle):
    """Guest memory: a file that the back-end maps, and an allocator for rings and buffers."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.fd = os.memfd_create("guest")
        os.ftruncate(self.fd, size)
        self.map = mmap.mmap(self.fd, size)
        self.view = memoryview(self.map)
        self._next = 0
        self._free: dict[int, list[int]] = defaultdict(list)

    @staticmethod
    def _class(size: int) -> int:
        return max(64, 1 << max(size - 1, 1).bit_length())

    def allocate(self, size: int) -> int:
        """Offset of `size` bytes, aligned to 64 or more."""
        rounded = self._class(size)
        if self._free[rounded]:
            return self._free[rounded].pop()
        align = min(rounded, 4096)
        start = (self._next + align - 1) // align * align
        if start + rounded > self.size:
            raise MemoryError(f"the guest has {self.size} bytes; see Peer(memory=)")
        self._next = start + rounded
        return start

    def free(self, offset: int, size: int) -> None:
        """Gives them back."""
        self._free[self._class(size)].append(offset)

    def close(self) -> None:
        """Views of the caller's, if any, keep the mapping."""
        self.view.release()
        os.close(self.fd)


class Asked:
    """A request that the back-end made; its descriptors are the test's."""

    def __init__(self, request: int, payload: bytes, fds: list[int]) -> None:
        self.request, self.payload, self.fds = request, payload, fds

    def mapping(self) -> tuple[int, int, int, int, int]:
        """Of BACKEND_SHMEM_MAP and _UNMAP: region, offset in the file and there, length, flags."""
        return struct.unpack("<B7xQQQQ", self.payload)


class Added:
    """A request that the driver made available."""

    def __init__(self, head: int, pieces: list[tuple[int, int, bool]], descriptors: list[int]):
        self.head = head
        self.pieces = pieces
        self.descriptors = descriptors
        #: Bytes written, as the device says; None until it completed the request.
        self.written: Optional[int] = None
        #: What it wrote.
        self.data = b""


class Virtqueue(Handle):
    """The driver's side of a queue; made by Peer.queue()."""

    def __init__(self, peer: Peer, index: int, size: int) -> None:
        self.peer, self.index, self.size = peer, index, size
        memory = peer.memory
        self._desc = memory.allocate(16 * size)
        self._avail = memory.allocate(6 + 2 * size)
        self._used = memory.allocate(6 + 8 * size)
        for start, length in ((self._desc, 16 * size), (self._avail, 6 + 2 * size),
                              (self._used, 6 + 8 * size)):
            memory.view[start:start + length] = bytes(length)
        # Whole numbers are written at once through these; struct would do it byte by byte.
        self._avail_index = memory.view[self._avail + 2:self._avail + 4].cast("H")
        self._avail_ring = memory.view[self._avail + 4:self._avail + 4 + 2 * size].cast("H")
        self._used_index = memory.view[self._used + 2:self._used + 4].cast("H")
        self._fence = threading.Lock()
        self._seen = 0
        self._free = list(range(size))
        self._inflight: dict[int, Added] = {}
        self._completed: list[Added] = []  # and not yet told
        self.kick_fd, self.call_fd = _eventfd(), _eventfd()
        self.start(0)

    def start(self, base: int) -> None:
        """Starts the ring where stop() said it was."""
        send, i = self.peer.send, self.index
        send(SET_VRING_NUM, struct.pack("<II", i, self.size))
        send(SET_VRING_BASE, struct.pack("<II", i, base))
        send(SET_VRING_ADDR, struct.pack("<IIQQQQ", i, 0, USER_BASE + self._desc,
                                         USER_BASE + self._used, USER_BASE + self._avail, 0))
        send(SET_VRING_CALL, struct.pack("<Q", i), [self.call_fd])
        send(SET_VRING_KICK, struct.pack("<Q", i), [self.kick_fd])
        if self.peer.features >> F_PROTOCOL_FEATURES & 1:
            send(SET_VRING_ENABLE, struct.pack("<II", i, 1))
        self.peer.driver_ok()

    def stop(self) -> int:
        """Stops the ring; returns once the device has finished what it took."""
        reply = self.peer.ask(GET_VRING_BASE, struct.pack("<II", self.index, 0))
        return int(struct.unpack("<II", reply)[1])

    def add(self, readable: Buffers = (), writable: Sizes = ()) -> Added:
        """Makes a request available: one buffer for each piece.  The device learns by kick()."""
        sources = [readable] if isinstance(readable, (bytes, bytearray)) else list(readable)
        sizes = [writable] if isinstance(writable, int) else list(writable)
        memory = self.peer.memory
        pieces = []
        for data in sources:
            if data:
                start = memory.allocate(len(data))
                memory.view[start:start + len(data)] = data
                pieces.append((start, len(data), False))
        pieces += [(memory.allocate(n), n, True) for n in sizes if n]
        if not pieces:
            raise ValueError("a request needs at least one byte")
        if len(pieces) > len(self._free):
            raise PeerError(f"queue {self.index}: no descriptors left: wait() for requests")
        ids = [self._free.pop() for _ in pieces]
        for position, (start, length, device_writes) in enumerate(pieces):
            last = position == len(pieces) - 1
            struct.pack_into("<QIHH", memory.view, self._desc + 16 * ids[position],
                             GUEST_BASE + start, length,
                             (0 if last else DESC_NEXT) | (DESC_WRITE if device_writes else 0),
                             0 if last else ids[position + 1])
        added = Added(ids[0], pieces, ids)
        self._inflight[ids[0]] = added
        index = self._avail_index[0]
        self._avail_ring[index % self.size] = ids[0]
        with self._fence:  # the entry before the index
            self._avail_index[0] = (index + 1) & 0xffff
        return added

    def kick(self) -> None:
        """Notifies the device."""
        os.write(self.kick_fd, struct.pack("=Q", 1))

    def used(self) -> list[Added]:
        """Requests that were completed and neither waited for nor returned yet; does not wait."""
        self._look()
        found, self._completed = self._completed, []
        return found

    def _look(self) -> None:
        memory = self.peer.memory
        while self._seen != self._used_index[0]:
            with self._fence:  # the index before the entry
                place = self._used + 4 + 8 * (self._seen % self.size)
            head, written = struct.unpack_from("<II", memory.view, place)
            added = self._inflight.pop(head, None)
            if added is None:
                raise PeerError(f"queue {self.index}: used entry {head} was not available")
            left = added.written = written
            for start, length, device_writes in added.pieces:
                if device_writes:
                    added.data += bytes(memory.view[start:start + min(left, length)])
                    left -= min(left, length)
                memory.free(start, length)
            if left:
                raise PeerError(f"queue {self.index}: {written} bytes are more than there is room")
            self._free.extend(added.descriptors)
            self._seen = (self._seen + 1) & 0xffff
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
            self._drain_call()
            self.peer.check_open()

    def _drain_call(self) -> None:
        try:
            os.read(self.call_fd, 8)
        except BlockingIOError:
            pass

    def interrupted(self) -> bool:
        """Whether the device notified the driver since the last look."""
        ready, _, _ = select.select([self.call_fd], [], [], 0)
        self._drain_call()
        return bool(ready)

    def request(self, readable: Buffers = (), writable: Sizes = (), timeout: float = 120) -> bytes:
        """Adds a request, kicks, waits; returns what the device wrote."""
        added = self.add(readable, writable)
        self.kick()
        return self.wait(added, timeout).data

    def close(self) -> None:
        """By Peer.close()."""
        for view in (self._avail_index, self._avail_ring, self._used_index):
            view.release()
        os.close(self.kick_fd)
        os.close(self.call_fd)


class Peer(ClassMessages):
    """A front-end that has negotiated with a back-end.

    `features`: bits to accept; by default all that are offered and that this driver can do.
    """

    def __init__(self, sock: socket.socket, *, features: Optional[int] = None,
                 memory: int = 16 << 20, timeout: float = 120) -> None:
        self.sock = sock
        sock.settimeout(timeout)
        self._reply_ack = False
        self._channel: Optional[socket.socket] = None
        self._running = False
        self.queues: dict[int, Virtqueue] = {}
        self.memory = Memory(memory)
        try:
            self._negotiate(features)
        except BaseException:
            self.close()
            raise

    def _negotiate(self, wanted: Optional[int]) -> None:
        self.send(SET_OWNER)
        #: What the back-end offers.
        self.offered = self._ask_u64(GET_FEATURES)
        default = self.offered & ~sum(1 << b for b in RING_BITS)
        #: What was accepted.
        self.features = default if wanted is None else wanted
        self.protocol = 0
        if self.offered >> F_PROTOCOL_FEATURES & 1:
            ours = sum(1 << b for b in (PF_MQ, PF_REPLY_ACK, PF_BACKEND_REQ, PF_CONFIG, PF_STATUS,
                                        PF_BACKEND_SEND_FD, PF_HOST_NOTIFIER, PF_SHMEM_MAP,
                                        *PROTOCOL_FEATURES))
            self.protocol = self._ask_u64(GET_PROTOCOL_FEATURES) & ours
            self.send(SET_PROTOCOL_FEATURES, struct.pack("<Q", self.protocol))
            self._reply_ack = bool(self.protocol >> PF_REPLY_ACK & 1)
        if self.protocol >> PF_BACKEND_REQ & 1:
            self._channel, theirs = socket.socketpair()
            self.send(SET_BACKEND_REQ_FD, b"", [theirs.fileno()])
            theirs.close()
        self._set_status(STATUS_ACKNOWLEDGE | STATUS_DRIVER)
        self.send(SET_FEATURES, struct.pack("<Q", self.features))
        self._set_status(STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK)
        if self.protocol >> PF_STATUS & 1 and not self._ask_u64(GET_STATUS) & STATUS_FEATURES_OK:
            raise PeerError("the back-end refuses the features")
        self.send(SET_MEM_TABLE, struct.pack("<IIQQQQ", 1, 0, GUEST_BASE, self.memory.size,
                                             USER_BASE, 0), [self.memory.fd])

    def _set_status(self, status: int) -> None:
        if self.protocol >> PF_STATUS & 1:
            self.send(SET_STATUS, struct.pack("<Q", status))

    def driver_ok(self) -> None:
        """The driver is ready; queue() does it."""
        if not self._running:
            self._running = True
            self._set_status(STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK |
                             STATUS_DRIVER_OK)

    # Messages

    def send(self, request: int, payload: bytes = b"", fds: Sequence[int] = ()) -> None:
        """Sends a message; PeerError if the back-end says that it failed."""
        flags = VERSION | (NEED_REPLY if self._reply_ack else 0)
        self._transmit(request, flags, payload, fds)
        if self._reply_ack:
            value = struct.unpack("<Q", self._receive(request))[0]
            if value:
                raise PeerError(f"message {request}: the back-end answers {value}")

    def ask(self, request: int, payload: bytes = b"") -> bytes:
        """Sends a message that has an answer of its own; returns its payload."""
        self._transmit(request, VERSION, payload, ())
        return self._receive(request)

    def ask_fds(self, request: int, payload: bytes = b"",
                fds: Sequence[int] = ()) -> tuple[bytes, list[int]]:
        """The same with descriptors, both ways; those that come are the caller's."""
        self._transmit(request, VERSION, payload, fds)
        try:
            head, got, _, _ = socket.recv_fds(self.sock, 12, 8)
        except OSError as error:
            raise PeerError(f"no answer: {error}") from error
        answered, flags, size = struct.unpack("<III", head + self._exactly(12 - len(head)))
        if answered != request or not flags & REPLY:
            raise PeerError(f"message {answered} in answer to {request}")
        return self._exactly(size), got

    def _ask_u64(self, request: int) -> int:
        return int(struct.unpack("<Q", self.ask(request))[0])

    def _transmit(self, request: int, flags: int, payload: bytes, fds: Sequence[int]) -> None:
        message = struct.pack("<III", request, flags, len(payload)) + payload
        try:
            if fds:
                socket.send_fds(self.sock, [message], list(fds))
            else:
                self.sock.sendall(message)
        except OSError as error:
            raise PeerError(f"message {request}: {error}") from error

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            try:
                piece = self.sock.recv(size - len(data))
            except OSError as error:
                raise PeerError(f"no answer: {error}") from error
            if not piece:
                raise PeerError("the back-end closed the connection")
            data += piece
        return data

    def _receive(self, request: int) -> bytes:
        answered, flags, size = struct.unpack("<III", self._exactly(12))
        if answered != request or not flags & REPLY:
            raise PeerError(f"message {answered} in answer to {request}")
        return self._exactly(size)

    def check_open(self) -> None:
        """PeerError once the back-end has gone."""
        ready, _, _ = select.select([self.sock], [], [], 0)
        if ready and not self.sock.recv(1, socket.MSG_PEEK):
            raise PeerError("the back-end closed the connection")

    # Configuration space

    def config(self, offset: int, size: int) -> bytes:
        """Reads the configuration space."""
        reply = self.ask(GET_CONFIG, struct.pack("<III", offset, size, 0) + bytes(size))
        if len(reply) != 12 + size:
            raise PeerError("the back-end refuses the read")
        return reply[12:]

    def set_config(self, offset: int, data: bytes) -> None:
        """Writes to it, as the driver."""
        self.send(SET_CONFIG, struct.pack("<III", offset, len(data), 0) + data)

    def config_changed(self, timeout: float = 0) -> bool:
        """Waits for a notification that the configuration space changed."""
        if self._channel is None:
            raise PeerError("the back-end has no channel for requests")
        asked = self.asked(timeout)
        return asked is not None and asked.request == BACKEND_CONFIG_CHANGE

    # Requests of the back-end

    def asked(self, timeout: float = 120, answer: int = 0) -> Optional[Asked]:
        """The next request of the back-end, answered if it wants that; None if none comes."""
        if self._channel is None:
            raise PeerError("the back-end has no channel for requests")
        ready, _, _ = select.select([self._channel], [], [], timeout)
        if not ready:
            return None
        header, fds, _, _ = socket.recv_fds(self._channel, 12, 8, socket.MSG_WAITALL)
        if len(header) < 12:
            raise PeerError("the back-end closed its channel")
        request, flags, size = struct.unpack("<III", header)
        payload = self._channel.recv(size, socket.MSG_WAITALL) if size else b""
        if flags & NEED_REPLY:
            self._channel.sendall(struct.pack("<IIIQ", request, VERSION | REPLY, 8, answer))
        return Asked(request, payload, list(fds))

    def shmem_regions(self) -> dict[int, int]:
        """The back-end's shared memory regions, bytes by id."""
        sizes = struct.unpack("<II256Q", self.ask(GET_SHMEM_CONFIG))[2:]
        return {i: size for i, size in enumerate(sizes) if size}

    # Queues

    def queue(self, index: int, size: int = 64) -> Virtqueue:
        """A queue, started; the same one when asked again."""
        if index not in self.queues:
            self.queues[index] = Virtqueue(self, index, size)
        return self.queues[index]

    def queue_num(self) -> int:
        """How many queues the back-end has (VHOST_USER_GET_QUEUE_NUM)."""
        return self._ask_u64(GET_QUEUE_NUM)

    def close(self) -> None:
        """Leaves, as a front-end that ends."""
        self.sock.close()
        if self._channel is not None:
            self._channel.close()
        for vq in self.queues.values():
            vq.close()
        self.queues.clear()
        self.memory.close()

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def connect(path: str, *, timeout: float = 120, **options: Any) -> Peer:
    """Connects to a back-end that listens, or is about to; `options` as for Peer."""
    end = time.monotonic() + timeout
    while True:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.connect(path)
            return Peer(sock, timeout=timeout, **options)
        except (FileNotFoundError, ConnectionRefusedError):
            sock.close()
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


@contextmanager
def served(device: Device, **options: Any) -> Iterator[Peer]:
    """Serves a device on a thread, and is its front-end."""
    ours, theirs = socket.socketpair()
    with Runner(once=True) as runner:
        runner.adopt(device, theirs)
        thread = threading.Thread(target=runner.run, name="pylibvu-served")
        thread.start()
        try:
            with Peer(ours, **options) as peer:
                yield peer
        finally:
            ours.close()
            runner.stop()
            thread.join()
