# SPDX-License-Identifier: MIT
"""The other side: a front-end and a driver, for tests of any vhost-user back-end.

    def test_rng():
        with testing.served(Rng()) as peer:
            assert len(peer.queue(0).request(writable=16)) == 16

`connect(path)` does the same to a program that listens.  Needs no virtual machine and no
privileges; rings, memory and logs are those of libvu-testing, in C.  A peer is used by one thread
at a time.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
import time
from contextlib import contextmanager
from typing import Any, Iterator, Optional, Sequence, Union

from ._peer import ffi, lib
from .class_messages import ClassMessages, PeerError
from .device import Device
from .handle import Handle
from .runner import Runner
from .virtqueue import GUEST_BASE, Added, DirtyLog, Memory, Virtqueue, fd_copy

# vhost-user, "Front-end message types"; what is not here, libvu-testing sends
GET_FEATURES, GET_PROTOCOL_FEATURES, GET_QUEUE_NUM = 1, 15, 17
GET_CONFIG, SET_CONFIG, GET_SHMEM_CONFIG = 24, 25, 44
BACKEND_CONFIG_CHANGE = 2
BACKEND_HOST_NOTIFIER, BACKEND_SHMEM_MAP, BACKEND_SHMEM_UNMAP = 3, 9, 10

VERSION, REPLY, NEED_REPLY = 1, 4, 8
PF_REPLY_ACK = 3
F_EVENT_IDX = 29
UNWANTED = {24, 26, 27, 33, 35, 36, 37, 38, 39, 40}  # ring features that this driver does without
NONE = 1 << 63  # for C, where 0 means the default


class Asked:
    """A request that the back-end made; its descriptors are the test's."""

    def __init__(self, request: int, payload: bytes, fds: list[int]) -> None:
        self.request, self.payload, self.fds = request, payload, fds

    def mapping(self) -> tuple[int, int, int, int, int]:
        """Of BACKEND_SHMEM_MAP and _UNMAP: region, offset in the file and there, length, flags."""
        return struct.unpack("<B7xQQQQ", self.payload)


class Peer(ClassMessages):
    """A front-end that has negotiated with a back-end.

    `features`: bits to accept where they are offered; by default all that this driver can do.
    `packed`: insists on packed rings; without it they are split.  `event_idx`: whether EVENT_IDX may be
    accepted.  `indirect`: the longest request of Virtqueue.add(indirect=True).  `inflight`: keeps
    a log of requests in flight, with which they outlive the back-end; see reconnect().
    """

    def __init__(self, sock: socket.socket, *, features: Optional[int] = None,
                 memory: int = 16 << 20, timeout: float = 120, packed: bool = False,
                 event_idx: bool = True, indirect: int = 0, inflight: bool = False) -> None:
        self.sock = sock
        self._timeout = timeout
        self._reply_ack = False
        self._channel: Optional[socket.socket] = None
        self.queues: dict[int, Virtqueue] = {}
        wanted = ~sum(1 << b for b in UNWANTED) if features is None else features
        if not event_idx:
            wanted &= ~(1 << F_EVENT_IDX)
        options = ffi.new("struct vut_options *", {
            "features": wanted & (NONE - 1) or NONE, "memory_at": GUEST_BASE, "memory": memory,
            "timeout_ms": max(1, int(timeout * 1000)), "packed": packed, "inflight": inflight,
            "max_indirect": indirect})
        made = ffi.new("struct vut_peer **")
        ret = lib.vut_peer_new(options, made)
        if ret < 0:
            raise OSError(-ret, os.strerror(-ret))
        self._core: Any = ffi.gc(made[0], lib.vut_peer_free)
        self.memory = Memory(self._core, memory)
        try:
            self._begin(sock)
        except BaseException:
            self.close()
            raise

    @property
    def core(self) -> Any:
        """The peer in C."""
        if self._core is None:
            raise PeerError("the peer is closed")
        return self._core

    def check(self, ret: int) -> int:
        """Raises PeerError for what failed."""
        if ret < 0:
            raise PeerError(ffi.string(lib.vut_error(self.core)).decode(errors="replace"))
        return ret

    def _begin(self, sock: socket.socket) -> None:
        sock.settimeout(self._timeout)
        self.sock = sock
        self.check(lib.vut_adopt(self.core, os.dup(sock.fileno())))
        self.check(lib.vut_negotiate(self.core))
        #: What the back-end offers.
        self.offered = int(lib.vut_offered(self.core))
        #: What was accepted.
        self.features = int(lib.vut_features(self.core))
        #: Of the protocol's features, too.
        self.protocol = int(lib.vut_protocol_features(self.core))
        self._reply_ack = bool(self.protocol >> PF_REPLY_ACK & 1)
        channel = int(lib.vut_channel_fd(self.core))
        self._channel = socket.socket(fileno=fd_copy(channel)) if channel >= 0 else None

    def disconnect(self) -> None:
        """Dies, as a front-end does: says nothing.  Memory, rings and the in-flight log stay."""
        self.sock.close()
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        lib.vut_disconnect(self.core)

    def reconnect(self, where: Union[str, socket.socket]) -> None:
        """A new back-end, at a path or behind a socket, in the place of the one before.

        Queues go on where they were; what is in flight is in the log, if there is one.
        """
        self.disconnect()
        if isinstance(where, str):
            where = _listener(where, self._timeout)
        self._begin(where)
        for vq in self.queues.values():
            self.check(lib.vut_start_queue(self.core, vq.index))

    def dirty_log(self) -> DirtyLog:
        """Has the back-end mark what it writes, from now to the end of a `with` block."""
        return DirtyLog(self)

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
            while lib.vut_n_queues(self.core) <= index:  # those before it are made, and not started
                self.check(lib.vut_add_queue(self.core, size))
            self.queues[index] = Virtqueue(self, index)
        return self.queues[index]

    def queue_num(self) -> int:
        """How many queues the back-end has (VHOST_USER_GET_QUEUE_NUM)."""
        return self._ask_u64(GET_QUEUE_NUM)

    def close(self) -> None:
        """Leaves, as a front-end that ends."""
        if self._core is None:
            return
        self.disconnect()
        self.queues.clear()
        self.memory.close()
        self._core = None

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def _listener(path: str, timeout: float) -> socket.socket:
    """A connection to whoever listens there, or is about to."""
    end = time.monotonic() + timeout
    while True:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.connect(path)
            return sock
        except (FileNotFoundError, ConnectionRefusedError):
            sock.close()
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


def connect(path: str, *, timeout: float = 120, **options: Any) -> Peer:
    """Connects to a back-end that listens, or is about to; `options` as for Peer."""
    return Peer(_listener(path, timeout), timeout=timeout, **options)


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


__all__ = ["Added", "Asked", "connect", "DirtyLog", "GUEST_BASE", "Memory", "Peer", "PeerError", "served",
           "Virtqueue"]
