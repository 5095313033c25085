# SPDX-License-Identifier: MIT
"""What a testing.Peer can say to devices of some classes."""

from __future__ import annotations

import os
import select
import socket
import struct
import uuid as _uuid
from typing import Any, Optional, Sequence

from .handle import Handle

SEND_RARP, NET_SET_MTU, CREATE_CRYPTO_SESSION, CLOSE_CRYPTO_SESSION = 19, 20, 26, 27
GPU_SET_SOCKET, GET_SHARED_OBJECT, SET_DEVICE_STATE_FD, CHECK_DEVICE_STATE = 33, 41, 42, 43
PF_RARP, PF_MTU, PF_CRYPTO_SESSION, PF_SHARED_OBJECT, PF_DEVICE_STATE = 2, 4, 7, 18, 19
PROTOCOL_FEATURES = (PF_RARP, PF_MTU, PF_CRYPTO_SESSION, PF_SHARED_OBJECT, PF_DEVICE_STATE)
SHARED_OBJECT_ADD, SHARED_OBJECT_REMOVE, SHARED_OBJECT_LOOKUP = 6, 7, 8

_SAVE, _LOAD, _NO_FD = 0, 1, 0x100
_SYMMETRIC = "<Q 6I 4B 20x 64s 512s 432x q"
_ASYMMETRIC = "<Q 3I 12x 2I 1024s q"


class PeerError(Exception):
    """The back-end closed the connection, refused a message, or answered in time with nothing."""


class ClassMessages(Handle):
    """A part of Peer."""

    _channel: Optional[socket.socket]

    def send(self, request: int, payload: bytes = b"", fds: Sequence[int] = ()) -> None:
        """See Peer."""
        raise NotImplementedError

    def ask(self, request: int, payload: bytes = b"") -> bytes:
        """See Peer."""
        raise NotImplementedError

    def ask_fds(self, request: int, payload: bytes = b"",
                fds: Sequence[int] = ()) -> tuple[bytes, list[int]]:
        """See Peer."""
        raise NotImplementedError

    # net, gpu

    def set_mtu(self, mtu: int) -> None:
        """NET_SET_MTU."""
        self.send(NET_SET_MTU, struct.pack("<Q", mtu))

    def send_rarp(self, mac: bytes) -> None:
        """SEND_RARP."""
        self.send(SEND_RARP, mac + b"\0\0")

    def gpu_socket(self) -> socket.socket:
        """GPU_SET_SOCKET: the front-end's end of a new socket."""
        ours, theirs = socket.socketpair()
        with theirs:
            self.send(GPU_SET_SOCKET, b"", [theirs.fileno()])
        return ours

    # crypto

    def create_cipher_session(self, alg: int, key: bytes, direction: int = 1) -> int:
        """CREATE_CRYPTO_SESSION of a cipher: its id."""
        return self._create_session(_SYMMETRIC, 2, alg, len(key), 0, 0, 0, 0, 1, direction, 0, 0,
                                    key, b"", 0)

    def create_asymmetric_session(self, alg: int, key: bytes, key_type: int) -> int:
        """CREATE_CRYPTO_SESSION of an asymmetric cipher: its id."""
        return self._create_session(_ASYMMETRIC, 0x404, alg, key_type, len(key), 0, 0, key, 0)

    def _create_session(self, layout: str, *values: Any) -> int:
        reply = self.ask(CREATE_CRYPTO_SESSION, struct.pack(layout, *values))
        session_id = int(struct.unpack("<q", reply[-8:])[0])
        if session_id < 0:
            raise PeerError("the back-end makes no session")
        return session_id

    def close_crypto_session(self, session_id: int) -> None:
        """CLOSE_CRYPTO_SESSION."""
        self.send(CLOSE_CRYPTO_SESSION, struct.pack("<Q", session_id))

    # shared objects

    def shared_object(self, uuid: Optional[_uuid.UUID]) -> Optional[int]:
        """GET_SHARED_OBJECT: a descriptor of the caller's, or None; without a UUID as QEMU does."""
        _, fds = self.ask_fds(GET_SHARED_OBJECT, uuid.bytes if uuid else b"")
        return fds[0] if fds else None

    def backend_request(self, timeout: float = 120) -> tuple[int, bytes]:
        """Waits for a request of the back-end, such as SHARED_OBJECT_ADD: which, and its payload."""
        channel = self._channel
        if channel is None or not select.select([channel], [], [], timeout)[0]:
            raise PeerError(f"the back-end asked for nothing in {timeout} s")
        request, _, size = struct.unpack("<III", channel.recv(12, socket.MSG_WAITALL))
        return int(request), channel.recv(size, socket.MSG_WAITALL) if size else b""

    def answer_backend(self, request: int, value: int = 0, fds: Sequence[int] = ()) -> None:
        """Answers it: 0 is good."""
        assert self._channel is not None
        socket.send_fds(self._channel, [struct.pack("<IIIQ", request, 5, 8, value)], list(fds))

    # state

    def save_state(self) -> bytes:
        """SET_DEVICE_STATE_FD and CHECK_DEVICE_STATE: what the back-end saves; stop its queues before."""
        fd = self._state_fd(_SAVE)
        with open(fd, "rb") as file:
            state = file.read()
        self._check_state()
        return state

    def load_state(self, state: bytes) -> None:
        """The same the other way; before queues are started."""
        fd = self._state_fd(_LOAD)
        with open(fd, "wb", buffering=0) as file:
            file.write(state)
        self._check_state()

    def _state_fd(self, direction: int) -> int:
        pipe = os.pipe()
        ours, theirs = pipe if direction == _SAVE else pipe[::-1]
        try:
            reply, fds = self.ask_fds(SET_DEVICE_STATE_FD, struct.pack("<II", direction, 0), [theirs])
        finally:
            os.close(theirs)
        value = int(struct.unpack("<Q", reply)[0])
        if value & 0xff or not value & _NO_FD:
            os.close(ours)  # not wanted, or the back-end has a better one
        if value & 0xff:
            raise PeerError("the back-end refuses")
        return ours if value & _NO_FD else fds[0]

    def _check_state(self) -> None:
        if struct.unpack("<Q", self.ask(CHECK_DEVICE_STATE))[0]:
            raise PeerError("the back-end could not process its state")
