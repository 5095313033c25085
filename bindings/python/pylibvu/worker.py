# SPDX-License-Identifier: MIT
"""Threads of libvu's that serve groups, of any devices, with a runner or without."""

from __future__ import annotations

import atexit
import threading
from typing import Any, Optional

from ._vu import ffi, lib
from .core import Core
from .errors import DeviceClosed, WrongThread, check
from .fork import share
from .group import Group
from .handle import Handle

# Until they are closed: garbage might be collected by the very thread that would be waited for.
_all: set[Worker] = set()


def _close_all() -> None:
    """At the interpreter's exit: no callback may come after it."""
    for worker in list(_all):
        worker.close()


atexit.register(_close_all)


class Worker(Handle):
    """A thread that serves the groups that are given to it, of one device or of several.

    They take turns.  It lives until close(), and so do the devices.  `poll` is the longest time in seconds that it polls before it sleeps, `cpu`
    the only one it runs on.  A group that a worker has is left alone by serve() and runners.

        worker = pylibvu.Worker()
        for device in devices:
            worker.add(device.group([1]))
    """

    def __init__(self, *, poll: float = 0, cpu: Optional[int] = None) -> None:
        info = ffi.new("struct vu_worker_info *", {
            "poll_ns": int(poll * 1e9), "pin": int(cpu is not None), "cpu": cpu or 0})
        info.size = ffi.sizeof(info[0])
        out = ffi.new("struct vu_worker **")
        check(lib.vu_worker_new(info, out), "a worker")
        self._ptr: Any = out[0]
        self._lock = threading.Condition(threading.Lock())  # of the three below
        self._removing = 0  # threads that are in the library's remove: it must not be freed under them
        # What has to live as long as the thread serves the group.
        self._served: dict[Group, tuple[Core, Any]] = {}
        share(self)
        _all.add(self)

    @property
    def groups(self) -> list[Group]:
        """What it serves."""
        with self._lock:
            return list(self._served)

    def add(self, group: Group) -> None:
        """Serves a group from now on.  WrongThread if somebody does already.  Any thread."""
        with self._lock:
            if self._ptr is None:
                raise DeviceClosed("the worker is closed")
            if group._own:
                raise ValueError("the device's own group is served by Device.process()")
            core = group._alive()
            if not group.owner.lock.acquire(False):
                raise WrongThread("another thread serves the group")
            result = lib.vu_worker_add_group(self._ptr, group._ptr)
            if result < 0:
                group.owner.lock.release()
            check(result, "a worker's group")
            group._worker = self
            self._served[group] = (core, core.device())

    def remove(self, group: Group) -> None:
        """Serves it no more, and waits until that is so.

        ValueError if it does not serve it; OSError (EDEADLK) in a callback of that group.
        """
        with self._lock:
            if self._ptr is None or group not in self._served:
                raise ValueError("this worker does not serve the group")
            ptr = self._ptr
            self._removing += 1
        try:
            result = lib.vu_worker_remove_group(ptr, group._ptr)
        finally:
            with self._lock:
                self._removing -= 1
                self._lock.notify_all()
        check(result, "remove")
        with self._lock:
            mine = self._served.pop(group, None) is not None
        if mine:
            self._let_go(group)

    @staticmethod
    def _let_go(group: Group) -> None:
        """Nobody serves it now."""
        group._worker = None
        group.owner.lock.release()

    def close(self) -> None:
        """Ends the thread, and waits for that; its groups have none then.

        RuntimeError in a callback of one of them.
        """
        with self._lock:
            if any(g.owner.ident == threading.get_ident() for g in self._served):
                raise RuntimeError("close() from a callback")
            self._lock.wait_for(lambda: not self._removing)
            ptr, self._ptr = self._ptr, None
            served, self._served = self._served, {}
        if ptr is not None:
            lib.vu_worker_free(ptr)
        for group in served:
            self._let_go(group)
        _all.discard(self)

    def lose(self) -> None:
        """In a child of fork(): there is no such thread."""
        self._ptr, self._lock, self._removing = None, threading.Condition(threading.Lock()), 0
        self._served.clear()
        _all.discard(self)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
