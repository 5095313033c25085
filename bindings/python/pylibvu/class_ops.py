# SPDX-License-Identifier: MIT
"""What only some classes of devices have: state to move, an MTU, crypto sessions, shared objects.

Not promised yet, as in C (libvu/unstable.h).
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import uuid as _uuid
from dataclasses import dataclass
from typing import Any, Callable, Optional, Union

from ._vu import ffi, lib
from .core import Core, export, owner_of, run_callback
from .errors import check
from .handle import Handle
from .later import Convert, Later

#: How share() and the like went: 0, or a descriptor of the caller's; or why not.
Result = Union[int, OSError]


class State(Handle):
    """A device's state that is being saved or loaded: records with tags; docs/device-state.md.

    Good until the callback returns, or until its Later is given.
    """

    def __init__(self, ptr: Any) -> None:
        self._ptr = ptr

    def _check(self) -> Any:
        if self._ptr is None:
            raise RuntimeError("this state has been saved or loaded")
        return self._ptr

    def _close(self) -> None:
        self._ptr = None

    def put(self, tag: int, data: Union[int, bytes], *, optional: bool = False) -> None:
        """Adds a record to a state that is being saved; an int has 8 bytes, little-endian.

        An `optional` one is left out by devices that do not look for its tag.
        """
        flags = lib.VU_STATE_OPTIONAL if optional else 0
        if isinstance(data, int):
            result = lib.vu_state_put_u64(self._check(), tag, flags, data)
        else:
            result = lib.vu_state_put(self._check(), tag, flags, data, len(data))
        check(int(result), "state")

    def get(self, tag: int, index: int = 0) -> Optional[bytes]:
        """The first record with this tag of a state that is being loaded, or a later one."""
        data, length = ffi.new("const void **"), ffi.new("size_t *")
        if lib.vu_state_get(self._check(), tag, index, data, length) < 0:
            return None
        return bytes(ffi.buffer(data[0], length[0]))

    def get_int(self, tag: int) -> Optional[int]:
        """A number that put() saved, None if there is none; OSError if it is no number."""
        value = ffi.new("uint64_t *")
        result = int(lib.vu_state_get_u64(self._check(), tag, value))
        if result == -errno.ENOENT:
            return None
        check(result, f"record {tag}")
        return int(value[0])

    @property
    def version(self) -> int:
        """Device.state_version of who saved it."""
        return int(lib.vu_state_version(self._check()))


@dataclass
class CryptoSession:
    """What a driver wants of a session; virtio 1.3 §5.9.7.2 has the numbers."""

    op_code: int
    alg: int
    key: bytes
    auth_key: bytes
    hash_alg: int
    hash_result_len: int
    aad_len: int
    op_type: int
    direction: int
    hash_mode: int
    alg_chain_order: int
    key_type: int
    padding_alg: int


def _crypto_session(c: Any) -> CryptoSession:
    numbers = {name: int(getattr(c, name)) for name in CryptoSession.__dataclass_fields__
               if name not in ("key", "auth_key")}
    return CryptoSession(key=bytes(ffi.buffer(c.key, c.key_len)),
                         auth_key=bytes(ffi.buffer(c.auth_key, c.auth_key_len))
                         if c.auth_key_len else b"", **numbers)


class ClassOps(Handle):
    """The part of Device that only some classes have.  To override a method is to offer it.

    Each is called on the device thread, may raise Refused or OSError to say no, and may return a
    Later.
    """

    #: Counted up when older devices would misunderstand what save_state() writes.
    state_version: int = 0
    #: Most bytes of a state; 0: libvu's limit.
    max_state: int = 0

    @property
    def core(self) -> Core:
        """The C device."""
        raise NotImplementedError

    def save_state(self, state: State) -> Optional[Later]:
        """Fills `state`; the device may go on afterwards as if nothing had happened."""
        return None

    def load_state(self, state: State) -> Optional[Later]:
        """Takes over `state`, which was saved elsewhere, before features and memory come."""
        return None

    def set_mtu(self, mtu: int) -> Optional[Later]:
        """The MTU that the guest will see."""
        return None

    def send_rarp(self, mac: bytes) -> Optional[Later]:
        """The virtual machine has moved here: announce its address by a broadcast."""
        return None

    def create_crypto_session(self, session: CryptoSession) -> Union[int, Later]:
        """Returns the id, from 0, of a new session; all end with session_end()."""
        raise NotImplementedError

    def close_crypto_session(self, session_id: int) -> Optional[Later]:
        """This one is not used any more."""
        return None

    def set_gpu_socket(self, sock: socket.socket) -> Optional[Later]:
        """The socket of vhost-user-gpu, which is the device's: close_fd() it in session_end()."""
        return None

    def shared_object(self, uuid: _uuid.UUID) -> Union[int, Later, None]:
        """A descriptor for an object of this device, which is duplicated; None: it has none such."""
        return None

    def close_fd(self, what: Union[int, socket.socket]) -> None:
        """Closes a descriptor that the front-end made, which close() may wait for, and never waits.

        One that came by set_gpu_socket(), or over that socket.  It is the caller's no more; unread bytes are
        lost for all who hold the socket.  Device thread; WrongThread, or OSError for one that is not
        open, and nothing is closed then.
        """
        core = self.core
        owned = core.owner.enter()
        try:
            dev = core.check()
            fd = what if isinstance(what, int) else what.fileno()
            fcntl.fcntl(fd, fcntl.F_GETFD)  # fstat() might wait for a file system
            if not isinstance(what, int):
                what.detach()
            lib.vu_device_close_fd(dev, fd)
        finally:
            if owned:
                core.owner.leave()

    # Objects of others

    def share(self, uuid: _uuid.UUID, done: Optional[Callable[[Result], Any]] = None) -> None:
        """Tells the front-end of an object, so that others may ask shared_object() for it.

        From any thread; `done` is called on the device's thread with 0 or an OSError.
        """
        self._post(lib.vu_device_share, uuid, done)

    def unshare(self, uuid: _uuid.UUID, done: Optional[Callable[[Result], Any]] = None) -> None:
        """Takes share() back."""
        self._post(lib.vu_device_unshare, uuid, done)

    def lookup(self, uuid: _uuid.UUID, done: Callable[[Result], Any]) -> None:
        """Asks for an object of any device: `done` gets a descriptor, its own, or an OSError."""
        self._post(lib.vu_device_lookup, uuid, done)

    def _post(self, function: Any, uuid: _uuid.UUID,
              done: Optional[Callable[[Result], Any]]) -> None:
        core = self.core
        handle = ffi.new_handle((core._keep[0], done))
        _waiting.add(handle)
        result = int(function(core.check(), uuid.bytes, lib.vupy_shared_object, handle))
        if result < 0:
            _waiting.discard(handle)
        check(result, "shared object")

    def _set_class_ops(self, core: Core) -> None:
        """Gives C the callbacks of what is overridden."""
        for name, (setter, members, extra) in _CLASSES.items():
            used = [c for c, method in members.items()
                    if getattr(type(self), method) is not getattr(ClassOps, method)]
            if not used:
                continue
            ops = ffi.new(f"struct vu_{name}_ops *")
            ops.size = ffi.sizeof(ops[0])
            # a device that has one of the messages of net need not have the other
            for member in used if name == "net" else members:
                setattr(ops, member, getattr(lib, f"vupy_{name}_{member}"))
            for member, attribute in extra.items():
                setattr(ops, member, getattr(self, attribute))
            check(int(setter(core.ptr, ops)), f"struct vu_{name}_ops")


#: struct vu_..._ops: who sets it, its callbacks and the methods for them, its other members.
_CLASSES: dict[str, tuple[Any, dict[str, str], dict[str, str]]] = {
    "state": (lib.vu_device_set_state_ops,
              {"save": "save_state", "load": "load_state"},
              {"version": "state_version", "max_size": "max_state"}),
    "net": (lib.vu_device_set_net_ops, {"set_mtu": "set_mtu", "send_rarp": "send_rarp"}, {}),
    "crypto": (lib.vu_device_set_crypto_ops,
               {"create_session": "create_crypto_session",
                "close_session": "close_crypto_session"}, {}),
    "gpu": (lib.vu_device_set_gpu_ops, {"set_socket": "set_gpu_socket"}, {}),
    "shared_object": (lib.vu_device_set_shared_object_ops, {"get": "shared_object"}, {}),
}

_waiting: set[Any] = set()  # of share() and the like, until done


def _zero(_value: Any) -> int:
    return 0


def _ask(name: str, answer: Any, opaque: Any, argument: Callable[[], Any], convert: Convert,
         done: Callable[[Any], None] = lambda _: None) -> int:
    """Calls the method; done(argument) when it has answered, now or later."""
    core = owner_of(opaque)
    device = core.device() if core is not None else None
    if core is None or device is None:
        return -errno.EIO
    values: list[int] = []
    given = argument()
    kept = False

    def call() -> None:
        nonlocal kept
        result = getattr(device, name)(given)
        if isinstance(result, Later):
            kept = True
            result._bind(answer, convert, lambda: done(given))
            values.append(lib.VU_LATER)
        else:
            values.append(convert(result))

    result = run_callback(core, core.owner, name, call)
    if not kept:
        done(given)
    return result if result else values[0]


@export("state_save", -errno.EIO)
def _save(_dev: Any, state: Any, answer: Any, opaque: Any) -> int:
    return _ask("save_state", answer, opaque, lambda: State(state), _zero, State._close)


@export("state_load", -errno.EIO)
def _load(_dev: Any, state: Any, answer: Any, opaque: Any) -> int:
    return _ask("load_state", answer, opaque, lambda: State(state), _zero, State._close)


@export("net_set_mtu", -errno.EIO)
def _set_mtu(_dev: Any, mtu: int, answer: Any, opaque: Any) -> int:
    return _ask("set_mtu", answer, opaque, lambda: mtu, _zero)


@export("net_send_rarp", -errno.EIO)
def _send_rarp(_dev: Any, mac: Any, answer: Any, opaque: Any) -> int:
    return _ask("send_rarp", answer, opaque, lambda: bytes(ffi.buffer(mac, 6)), _zero)


@export("crypto_create_session", -errno.EIO)
def _create_session(_dev: Any, session: Any, answer: Any, opaque: Any) -> int:
    return _ask("create_crypto_session", answer, opaque, lambda: _crypto_session(session), int)


@export("crypto_close_session", -errno.EIO)
def _close_session(_dev: Any, session_id: int, answer: Any, opaque: Any) -> int:
    return _ask("close_crypto_session", answer, opaque, lambda: session_id, _zero)


@export("gpu_set_socket", -errno.EIO)
def _set_socket(_dev: Any, fd: int, answer: Any, opaque: Any) -> int:
    return _ask("set_gpu_socket", answer, opaque, lambda: socket.socket(fileno=fd), _zero)


def _duplicate(fd: Optional[int]) -> int:
    return -errno.ENOENT if fd is None else os.dup(fd)


@export("shared_object_get", -errno.EIO)
def _get_object(_dev: Any, uuid: Any, answer: Any, opaque: Any) -> int:
    return _ask("shared_object", answer, opaque,
                lambda: _uuid.UUID(bytes=bytes(ffi.buffer(uuid, 16))), _duplicate)


@export("shared_object")
def _object_done(_dev: Any, result: int, opaque: Any) -> None:
    link, done = ffi.from_handle(opaque)
    _waiting.discard(opaque)
    core = owner_of(link)
    if core is not None and done is not None:
        run_callback(core, core.owner, "shared object", done,
                     result if result >= 0 else OSError(-result, os.strerror(-result)))
    elif result > 0:
        os.close(result)
