# SPDX-License-Identifier: MIT
"""The blocking way to serve: sockets, reconnection, worker threads, all in libvu's runner."""

from __future__ import annotations

import atexit
import os
import select
import signal
import socket
import threading
import time
from contextlib import ExitStack, contextmanager
from threading import get_ident
from typing import Any, Callable, Iterator, Optional, Union

from ._vu import ffi, lib
from .core import Core, Owner, claim, raise_pending, thread, wanted_level
from .device import Device
from .errors import DeviceClosed, WrongThread, check
from .fork import share
from .handle import Handle


_running: set[Runner] = set()


def _stop_all() -> None:
    """At the interpreter's exit: runners on daemon threads end while callbacks can still run."""
    runners = list(_running)
    for runner in runners:
        runner.stop()
        if runner._began and not runner._thread:
            runner.close()  # nobody will come for its last turn
    end = time.monotonic() + 2
    while _running and time.monotonic() < end:
        time.sleep(0.001)
    for runner in runners:
        if runner not in _running:
            runner.close()  # its thread may get no further: the socket file has to go


atexit.register(_stop_all)


def _needs_device(device: Any) -> Device:
    if not isinstance(device, Device):
        made = f": make one by {device.__name__}()" if isinstance(device, type) else ""
        raise TypeError(f"a device is needed, and {device!r} is none{made}")
    return device


class Runner(Handle):
    """Serves devices on sockets, one front-end after another, until stop().

    run() blocks without holding Python's global lock; callbacks take it while they run.
    """

    def __init__(self, *, once: bool = False) -> None:
        info = ffi.new("struct vu_runner_info *", {
            "once": int(once), "log_fn": lib.vupy_log, "log_level": wanted_level()})
        info.size = ffi.sizeof(info[0])
        out = ffi.new("struct vu_runner **")
        check(lib.vu_runner_new(info, out), "vu_runner_new")
        self._ptr: Any = out[0]
        self._guard = threading.RLock()  # held where the runner could be freed under a stop()
        self._thread = 0  # of who is in run() or process()
        self._began = False  # process() did, and has not told the end
        self._devices: list[Device] = []
        self._cores: list[Core] = []
        self._held: dict[Core, list[Owner]] = {}  # whose locks this run has
        self._undo: list[Callable[[], Any]] = []  # what this run changed for signals
        share(self)

    @contextmanager
    def _reach(self, core: Core) -> Iterator[list[Owner]]:
        """While nobody else uses the device; yields whose locks that takes."""
        with self._guard:
            if self._ptr is None:
                raise DeviceClosed("the runner is closed")
            inside = self._thread == get_ident()
            if self._thread and not inside:
                raise WrongThread("the runner runs on another thread")
            held = core in self._held
            taken = core.owners() if not held else [] if inside else [core.owner]
            if not claim(taken):
                raise WrongThread(f"{core.name} is served by another thread")
            try:
                yield taken
            finally:
                kept = self._held.get(core, [])
                for owner in taken:
                    if owner not in kept or (owner is core.owner and not inside):
                        owner.lock.release()

    def _give(self, device: Device, what: str, give: Callable[[Any], int]) -> None:
        """Runs give(C device), while nobody else uses the device; keeps it from then on."""
        core = _needs_device(device).core
        with self._reach(core) as taken:
            check(give(core.ptr), what)
            if core not in self._cores:
                self._devices.append(device)
                self._cores.append(core)
                core.runner = self
            if (self._thread or self._began) and core not in self._held:
                self._held[core] = taken
                self._add_workers(core)

    def listen(self, device: Device, path: str, *, mode: int = 0, group: int = 0) -> None:
        """Serves a device on a socket file; `mode` and `group` as for chmod and chown."""
        info = ffi.new("struct vu_socket_info *", {"mode": mode, "group": group})
        info.size = ffi.sizeof(info[0])
        self._give(device, f"listen at {path}", lambda ptr: int(
            lib.vu_runner_listen(self._ptr, ptr, os.fsencode(path), info)))

    def connect(self, device: Device, path: str) -> None:
        """Serves a device for a front-end that listens; tries until it does."""
        self._give(device, f"connect to {path}", lambda ptr: int(
            lib.vu_runner_connect(self._ptr, ptr, os.fsencode(path))))

    def adopt(self, device: Device, sock: Union[int, socket.socket]) -> None:
        """Serves a device on a socket made elsewhere, connected or listening."""
        fd = sock if isinstance(sock, int) else sock.fileno()
        self._give(device, "adopt", lambda ptr: int(lib.vu_runner_adopt(self._ptr, ptr, fd)))
        if not isinstance(sock, int):
            sock.detach()

    def remove(self, device: Device) -> None:
        """Serves a device no more, while others go on: its session ends, its socket is closed.

        ValueError if it is not served here; WrongThread; OSError (EDEADLK) in a callback of its own.
        """
        core = device.core
        if self._ptr is None or core not in self._cores:
            raise ValueError(f"{core.name} is not served by this runner")
        with self._reach(core) as taken:
            check(lib.vu_runner_remove(self._ptr, core.ptr), "remove")
            for group in core.groups:
                if not group._own:  # it may have no worker yet
                    lib.vu_runner_remove_worker(self._ptr, group._ptr)
            core.runner = None
            at = self._cores.index(core)
            del self._cores[at], self._devices[at]
            for owner in self._held.pop(core, []):
                if owner not in taken:
                    owner.lock.release()

    def run(self, *, signals: bool = True) -> None:
        """Serves until stop(), or until nothing is left to serve.

        On the main thread Ctrl-C raises KeyboardInterrupt here, and with `signals` SIGTERM is a
        stop(), unless the program has a handler of its own.
        """
        with ExitStack() as stack:
            with self._guard:
                if self._ptr is None:
                    raise DeviceClosed("the runner is closed")
                if self._thread or self._began:
                    raise WrongThread("the runner runs already")
                stack.callback(self._stopped)
                self._enter(Core.owners)
            if threading.current_thread() is threading.main_thread() and self._devices:
                stack.enter_context(self._signals(signals))
            for core in self._cores:
                self._add_workers(core)
            _running.add(self)
            outer, thread.stop = thread.stop, self.stop
            try:
                result = lib.vu_runner_run(self._ptr)
            finally:
                thread.stop = outer
        raise_pending()
        check(result, "vu_runner_run")

    def _enter(self, owners_of: Callable[[Core], list[Owner]]) -> None:
        """This thread is in the library from now on; on an error, no more than before."""
        taken: dict[Core, list[Owner]] = {}
        for core in self._cores:
            owners = owners_of(core)
            if not claim(owners):
                for owner in (o for some in taken.values() for o in some):
                    owner.lock.release()
                raise WrongThread(f"{core.name} is served by another thread")
            taken[core] = owners
        for core, owners in taken.items():
            self._held.setdefault(core, owners)
        self._thread = get_ident()

    def _stopped(self) -> None:
        _running.discard(self)
        held, self._held = self._held, {}
        inside, self._thread, self._began = self._thread != 0, 0, False
        for core, owners in held.items():
            for owner in owners:
                if inside or owner is not core.owner:
                    owner.lock.release()

    # In a loop of your own

    def fileno(self) -> int:
        """Readable when process() has something to do; the same for the runner's life."""
        with self._guard:
            if self._ptr is None:
                raise DeviceClosed("the runner is closed")
            return check(int(lib.vu_runner_fd(self._ptr)), "vu_runner_fd")

    @property
    def serving(self) -> bool:
        """From the first process() until one that found it stopped, or with nothing to serve."""
        return self._began

    def process(self) -> bool:
        """A turn of run() that does not wait; True when there is more to do at once.

        Call it once before the first wait, then once for each wake, while `serving`.  WrongThread
        while another thread is in it, RuntimeError from a callback.
        """
        with self._guard:
            if self._ptr is None:
                raise DeviceClosed("the runner is closed")
            if self._thread == get_ident():
                raise RuntimeError("process() from a callback of what it serves")
            if self._thread:
                raise WrongThread("the runner runs on another thread")
            self._enter((lambda core: [core.owner]) if self._began else Core.owners)
        outer, thread.stop = thread.stop, lambda: None
        result = lib.VU_PROCESS_ENDED
        try:
            if not self._began:
                self._began = True
                _running.add(self)
                for core in self._cores:
                    self._add_workers(core)
            result = lib.vu_runner_process(self._ptr)
        finally:
            thread.stop = outer
            self._left(result)
        if outer is None:
            raise_pending()
        return bool(check(result, "vu_runner_process") & lib.VU_PROCESS_MORE)

    def _left(self, result: int) -> None:
        with self._guard:
            if result < 0 or result & lib.VU_PROCESS_ENDED:
                self._stopped()
                return
            self._thread = 0
            for core in self._held:
                core.owner.lock.release()

    def _add_workers(self, core: Core) -> None:
        for group in core.groups:
            if group._own or group.owner not in self._held[core]:
                continue
            info = ffi.new("struct vu_worker_info *", {
                "poll_ns": group._poll_ns, "pin": int(group._cpu is not None),
                "cpu": group._cpu or 0})
            info.size = ffi.sizeof(info[0])
            check(lib.vu_runner_add_worker(self._ptr, group._ptr, info), "a worker")

    @contextmanager
    def _signals(self, take_sigterm: bool) -> Iterator[None]:
        """Python runs signal handlers between its instructions: a signal has to call into it."""
        near, far = socket.socketpair()
        near.setblocking(False)
        far.setblocking(False)
        owner = self._cores[0].owner
        owner.ident = get_ident()
        try:
            watch = self._devices[0].watch(near, select.EPOLLIN, lambda _: _drain(near))
        finally:
            owner.ident = 0
        old_fd = signal.set_wakeup_fd(far.fileno(), warn_on_full_buffer=False)
        old = signal.getsignal(signal.SIGTERM)
        self._undo.append(lambda: signal.set_wakeup_fd(old_fd))
        if take_sigterm and old == signal.SIG_DFL:
            signal.signal(signal.SIGTERM, lambda *_: self.stop())
            self._undo.append(lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))
        try:
            yield
        finally:
            while self._undo:
                self._undo.pop()()
            owner.ident = get_ident()
            try:
                watch.close()
            finally:
                owner.ident = 0
            near.close()
            far.close()

    def stop(self) -> None:
        """Makes run() return soon.  Any thread, and signal handlers."""
        with self._guard:
            if self._ptr is not None:
                lib.vu_runner_stop(self._ptr)

    def close(self) -> None:
        """Closes its sockets; the devices stay.  WrongThread while it runs."""
        with self._guard:
            if self._thread:
                raise WrongThread("the runner runs: stop() it first")
            self.release()

    def release(self) -> None:
        """Frees the C runner; nobody may be in it."""
        ptr, self._ptr = self._ptr, None
        if ptr is not None:
            lib.vu_runner_free(ptr)
        self._stopped()
        for core in self._cores:
            core.runner = None
        self._cores.clear()
        self._devices.clear()

    def lose(self) -> None:
        """In a child of fork(): the sockets and the signals' way to the loop are the parent's."""
        self._ptr, self._thread, self._guard = None, 0, threading.RLock()
        self._began = False
        self._held.clear()
        self._cores.clear()
        self._devices.clear()
        _running.discard(self)
        while self._undo:
            self._undo.pop()()

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_ptr", None) is not None and all(c.ptr is not None for c in self._cores):
            self.release()


def _drain(sock: socket.socket) -> None:
    try:
        while sock.recv(4096):
            pass
    except BlockingIOError:
        pass


def serve(device: Device, path: str, *, once: bool = False, mode: int = 0,
          group: Optional[int] = None) -> None:
    """Serves front-ends at a socket file, one after another, until Ctrl-C or SIGTERM.

    `once`: returns when the first session has ended.
    """
    for index, handler in _needs_device(device)._handlers.items():
        if handler.asynchronous:
            raise TypeError(f"queue {index} has an async handler: `await device.serve(path)`")
    with Runner(once=once) as runner:
        runner.listen(device, path, mode=mode, group=group or 0)
        runner.run()
