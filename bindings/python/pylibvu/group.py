# SPDX-License-Identifier: MIT
"""Groups of queues for threads, and what else a thread waits for: timers and descriptors."""

from __future__ import annotations

import select
import threading
import weakref
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Callable, Iterator, Optional, Union

from ._vu import ffi, lib
from .core import Core, Owner, export, run_callback
from .errors import DeviceClosed, check
from .handle import Handle

if TYPE_CHECKING:
    from .script import Script


class _Source(Handle):
    """A timer or a watch: freed by close(), or with its group."""

    def __init__(self, group: Group, function: Callable[..., Any]) -> None:
        self._group = group
        self._function = function
        self._handle = ffi.new_handle(self)
        self._ptr: Any = None

    @contextmanager
    def _using(self) -> Iterator[Any]:
        owned = self._group.owner.enter()
        core = self._group._weak_core()  # must not go meanwhile
        try:
            if self._ptr is None or core is None or core.closed:
                raise DeviceClosed("this timer or watch is closed")
            yield self._ptr
        finally:
            if owned:
                self._group.owner.leave()
            del core

    def close(self) -> None:
        """Ends it; its function is not called again.  Closing twice is no mistake."""
        core = self._group._weak_core()
        if self._ptr is None or core is None or core.closed:
            return
        with self._using() as ptr:
            self._ptr = None
            self._group._sources.discard(self)
            lib.vu_source_remove(ptr)

    def _fire(self, fd: int, events: int) -> None:
        raise NotImplementedError


class Timer(_Source):
    """Calls a function without arguments on its group's thread; made by timer()."""

    def start(self, seconds: float, period: float = 0) -> None:
        """Fires in `seconds`, and then every `period` seconds if that is not 0."""
        if seconds <= 0 or period < 0:
            raise ValueError("seconds must be positive; stop() stops a timer")
        self._set(max(int(seconds * 1e9), 1), int(period * 1e9))

    def stop(self) -> None:
        """Does not fire until it is started again."""
        self._set(0, 0)

    def _set(self, first: int, period: int) -> None:
        with self._using() as ptr:
            check(lib.vu_source_set_timer(ptr, first, period), "vu_source_set_timer")

    def _fire(self, fd: int, events: int) -> None:
        self._function()


class Watch(_Source):
    """Calls a function with the ready events (select.EPOLL*) of a descriptor; made by watch()."""

    def set_events(self, events: int) -> None:
        """Changes what is waited for; 0 pauses."""
        with self._using() as ptr:
            check(lib.vu_source_set_events(ptr, events), "vu_source_set_events")

    def _fire(self, fd: int, events: int) -> None:
        self._function(events)


@export("fd")
def _fd(_source: Any, fd: int, events: int, opaque: Any) -> None:
    source: _Source = ffi.from_handle(opaque)
    core = source._group._weak_core()
    if core is not None and source._ptr is not None:
        run_callback(core, source._group.owner, "timer or watch", source._fire, fd, events)


@export("post")
def _post(opaque: Any) -> None:
    group: Group = ffi.from_handle(opaque)
    core = group._weak_core()
    if core is not None and not core.closed:  # else: what is left when it is freed is not run
        run_callback(core, group.owner, "call()", group._called)


class Group(Handle):
    """Queues that one thread serves, in parallel with the device and other groups.

    Made by Device.group().  serve() gives each a thread.  For a thread of your own:

        with pylibvu.hold(group):
            while not end:
                while group.process():
                    pass
                if group.arm():
                    select.select([group], [], [])
    """

    def __init__(self, core: Core, own: bool = False, poll: float = 0,
                 cpu: Optional[int] = None) -> None:
        self._weak_core = weakref.ref(core)  # which owns us
        self._own = own
        self._sources: set[_Source] = set()
        self._scripts: set[Script] = set()
        self._calls: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()
        self._handle = ffi.new_handle(self)
        self._poll_ns = int(poll * 1e9)
        self._cpu = cpu
        self._worker: Optional[Any] = None  # the Worker that serves it
        #: Which thread may use it.
        self.owner: Owner = core.owner if own else Owner()
        if own:
            self._ptr: Any = lib.vu_device_group(core.ptr)
        else:
            out = ffi.new("struct vu_group **")
            check(lib.vu_group_new(out), "vu_group_new")
            self._ptr = out[0]

    @property
    def placed(self) -> bool:
        """Whether a Worker has it, or a thread of the program's own (hold())."""
        return self._worker is not None or self.owner.keeper != 0

    def _alive(self) -> Core:
        """What must be kept while C code uses the group."""
        core = self._weak_core()
        if core is None or core.ptr is None or self._ptr is None or core.closed:
            raise DeviceClosed("the device of this group is gone, closed, or of before fork()")
        return core

    # Events

    def timer(self, function: Callable[[], Any]) -> Timer:
        """A timer on this group's thread, not yet running."""
        timer = Timer(self, function)
        self._add(timer, lambda out: lib.vu_group_add_timer(self._ptr, lib.vupy_fd, timer._handle,
                                                            out))
        return timer

    def watch(self, fd: Union[int, Any], events: int, function: Callable[[int], Any]) -> Watch:
        """Calls function(events) when a descriptor is ready; close the watch before that."""
        number = fd if isinstance(fd, int) else fd.fileno()
        watch = Watch(self, function)
        self._add(watch, lambda out: lib.vu_group_add_fd(self._ptr, number, events, lib.vupy_fd,
                                                         watch._handle, out))
        return watch

    @contextmanager
    def _using(self) -> Iterator[Any]:
        owned = self.owner.enter()
        try:
            core = self._alive()
            yield self._ptr
            del core
        finally:
            if owned:
                self.owner.leave()

    def _add(self, source: _Source, add: Callable[[Any], int]) -> None:
        with self._using():
            out = ffi.new("struct vu_source **")
            check(add(out), "a timer or watch")
            source._ptr = out[0]
            self._sources.add(source)

    def call(self, function: Callable[..., Any], *args: Any) -> None:
        """Calls function(*args) on this group's thread, soon.  From any thread."""
        core = self._alive()  # keeps the group
        self._calls.append((function, args))
        result = lib.vu_group_post(self._ptr, lib.vupy_post, self._handle)
        del core
        if result < 0:
            self._calls.remove((function, args))
        check(result, "call")

    def _called(self) -> None:
        function, args = self._calls.popleft()
        function(*args)

    # The loop of a thread

    def process(self, budget: int = 0) -> bool:
        """Serves what is there, without blocking; True when there is more to do at once."""
        from .loop import processing

        if self._own:
            raise ValueError("the device's own group is served by Device.process()")
        core = self._alive()
        with processing(self.owner):
            core.check()
            return bool(lib.vu_group_process(self._ptr, budget))

    def arm(self) -> bool:
        """Asks drivers to notify; True: wait for the descriptor; False: process() first."""
        with self._using() as ptr:
            return bool(lib.vu_group_arm(ptr) == 0)

    def activity(self) -> int:
        """A number that stays the same while there is nothing to do; for loops that poll."""
        with self._using() as ptr:
            return int(lib.vu_group_activity(ptr))

    def wake(self) -> None:
        """Lets the group's thread not sleep, or wakes it.  Any thread."""
        core = self._alive()
        lib.vu_group_wake(self._ptr)
        del core

    def fileno(self) -> int:
        """Readable when there is something to do, provided arm() returned True."""
        core = self._alive()
        fd = int(lib.vu_group_fd(self._ptr))
        del core
        return fd

    # Its end

    def stand_in(self) -> None:
        """In place of the group's thread, which is gone."""
        if not self._own and self._ptr is not None:
            lib.vu_group_process(self._ptr, 0)

    def lose(self) -> None:
        """In a child of fork(): see Core.lose()."""
        self._ptr = None
        for script in self._scripts:
            script._lose()
        self._scripts.clear()
        self.owner.__init__()  # type: ignore[misc]
        self.forget()

    def end_scripts(self) -> None:
        """By the Core, when nobody serves the group."""
        for script in list(self._scripts):
            script._release()

    def free(self) -> None:
        """By the Core, before the device is freed."""
        self.end_scripts()
        ptr, self._ptr = self._ptr, None
        if ptr is not None and not self._own:
            lib.vu_group_free(ptr)

    def forget(self) -> None:
        """By the Core, once C code can no longer call: ends what the group kept for it."""
        for source in self._sources:
            source._ptr = None
        self._sources.clear()
        self._calls.clear()


class GroupThread:
    """Serves a group from Python, where no runner does it (asyncio)."""

    def __init__(self, group: Group) -> None:
        self._group = group
        self._end = False
        self._thread = threading.Thread(target=self._run, name="pylibvu-group", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        group = self._group
        poll = select.poll()
        poll.register(group.fileno(), select.POLLIN)
        while not self._end:
            while group.process() and not self._end:
                pass
            if not self._end and group.arm():
                poll.poll()

    def stop(self) -> None:
        """Ends the thread and waits for that."""
        self._end = True
        self._group.wake()
        self._thread.join()
