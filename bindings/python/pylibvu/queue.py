# SPDX-License-Identifier: MIT
"""A virtqueue: taking requests, and handing them to the device's handler."""

from __future__ import annotations

import errno
import inspect
import sys
from dataclasses import dataclass
from threading import get_ident
from typing import TYPE_CHECKING, Any, Callable, Iterator, Optional, Sequence, Union

from . import ask as _ask
from ._vu import ffi, lib
from .core import Core, Owner, abort, interrupts, thread
from .errors import LongRequest, QueueBroken, check
from .fork import end_child
from .handle import Handle
from .request import Request

if TYPE_CHECKING:
    from .device import Device
    from .group import Group

BATCH = 64


@dataclass
class Handler:
    """What serves a queue, and how; made by @queue."""

    index: int
    function: Callable[..., Any]
    method: bool
    batch: bool = False
    pull: bool = False
    size: int = 0
    max_segs: int = 0
    discard_when_disabled: bool = False
    asynchronous: bool = False

    def __post_init__(self) -> None:
        self.asynchronous = inspect.iscoroutinefunction(self.function)

    def call(self, device: Device, argument: Any) -> Any:
        """Calls it as the method or the function that it is."""
        return self.function(device, argument) if self.method else self.function(argument)


def needs_number(index: object) -> None:
    """A decorator without its parentheses gets the function instead, and would decorate nothing."""
    if callable(index):
        raise TypeError(f"@queue takes the number of the queue first, as in @queue(0), and not {index!r}")


class Queue(Handle):
    """One of a device's virtqueues; device.queues has them all.

    A handler (@queue) is the usual way to get requests.  A device that must not take a buffer
    before it has something to put into it calls next() when it has.
    """

    def __init__(self, core: Core, index: int, handler: Optional[Handler], max_bytes: int) -> None:
        self._core = core
        self._max_bytes = max_bytes or sys.maxsize
        self._handler = handler
        self._ptr = lib.vu_device_queue(core.ptr, index)
        self._array = ffi.new("struct vu_req *[]", BATCH)
        #: Who may use it: its device, or the group it was given to.
        self.owner: Owner = core.owner
        #: Its number, from 0.
        self.index = index

    def __str__(self) -> str:
        return f"{self._core.name}: queue {self.index}"

    def __repr__(self) -> str:
        return f"<Queue {self.index} of {self._core.name}>"

    @property
    def device(self) -> Optional[Device]:
        """Its device, or None once that is gone."""
        return self._core.device()

    def usable(self) -> bool:
        """Whether the C device behind it still exists."""
        return self._core.ptr is not None

    # Taking requests

    def next(self) -> Optional[Request]:
        """Takes the next request; None if there is none now, or the queue is stopped.

        QueueBroken if the driver broke the ring; WrongThread.
        """
        reqs = self.next_batch(1)
        return reqs[0] if reqs else None

    def next_batch(self, count: int) -> list[Request]:
        """Takes up to `count` requests at once; otherwise like next()."""
        if count < 1:
            raise ValueError("count must be at least 1")
        owned = self.owner.enter()
        try:
            self._core.check()
            array = self._array if count <= BATCH else ffi.new("struct vu_req *[]", count)
            while True:
                n = lib.vu_queue_next_batch(self._ptr, array, count)
                if n == -errno.EIO:
                    raise QueueBroken(f"{self}: the driver broke the ring")
                reqs = self._wrap(array, n)
                if reqs or n <= 0:
                    return reqs
        finally:
            if owned:
                self.owner.leave()

    def __iter__(self) -> Iterator[Request]:
        """Requests until there is none left."""
        while True:
            req = self.next()
            if req is None:
                return
            yield req

    def complete(self, reqs: Sequence[Request], written: Optional[Sequence[int]] = None) -> None:
        """Completes many requests of this queue, which the driver sees together.

        On the queue's thread one call into the library; elsewhere like complete() on each.
        Everything is checked before the first one is completed.
        """
        sizes = [req._written for req in reqs] if written is None else list(written)
        if len(sizes) != len(reqs) or len(set(map(id, reqs))) != len(reqs):
            raise ValueError("one number for each request, and each request once")
        owned = False
        if self.owner.ident == 0:
            try:
                owned = self.owner.enter()
            except RuntimeError:
                pass
        for req in reqs:
            req._lock.acquire()
        try:
            for req, size in zip(reqs, sizes):
                req._alive()
                if req.queue is not self or size < 0 or size > req.writable_len:
                    raise ValueError(f"{self}: a request of another queue, or {size} bytes are "
                                     f"more than {req.writable_len}")
                if req._views:
                    req._release_views()
            self._complete(reqs, sizes)
        finally:
            for req in reqs:
                req._lock.release()
            if owned:
                lib.vu_queue_signal(self._ptr)
                self.owner.leave()

    def _complete(self, reqs: Sequence[Request], sizes: list[int]) -> None:
        self._core.present()
        if self.owner.ident != get_ident():
            for req, size in zip(reqs, sizes):
                req._finish(req._ptr, size)
            return
        result = lib.vu_queue_complete_batch(self._ptr, [req._ptr for req in reqs], sizes,
                                             len(reqs))
        finished = max(result, 0)
        for req in reqs[:finished]:
            req._ptr = req._memory = None
        check(result, "vu_queue_complete_batch")
        if finished < len(reqs):  # says why
            reqs[finished]._finish(reqs[finished]._ptr, sizes[finished])

    def signal(self) -> None:
        """Notifies the driver now, of what was completed; the end of a callback does it, too."""
        owned = self.owner.enter()
        try:
            self._core.check()
            lib.vu_queue_signal(self._ptr)
        finally:
            if owned:
                self.owner.leave()

    def set_host_notifier(self, file: Union[int, Any, None], offset: int = 0, *,
                          done: _ask.Done = None) -> None:
        """The driver's notifications go to a page of a file, and the queue is polled; None: no more.

        For devices with host_notifiers; from any thread.  done(None) or done(error) is called on
        the device thread, as of Device.map_shmem().
        """
        fd = -1 if file is None else file if isinstance(file, int) else file.fileno()
        self._core.check()
        _ask.ask(self._core, "set_host_notifier", done, lib.vu_queue_set_host_notifier, fd, offset,
                 of=self._ptr)

    def available(self) -> bool:
        """Whether a request is waiting."""
        owned = self.owner.enter()
        try:
            self._core.check()
            return bool(lib.vu_queue_available(self._ptr))
        finally:
            if owned:
                self.owner.leave()

    def outstanding(self) -> int:
        """Requests taken and not yet completed or put back."""
        owned = self.owner.enter()
        try:
            self._core.check()
            return int(lib.vu_queue_outstanding(self._ptr))
        finally:
            if owned:
                self.owner.leave()

    def counters(self) -> dict[str, int]:
        """What it has done since the device was made: requests, bytes, notifications, ..."""
        self._core.check()
        out = ffi.new("struct vu_queue_counters *")
        out.size = ffi.sizeof(out[0])
        check(lib.vu_queue_counters(self._ptr, out), "vu_queue_counters")
        return {name: int(getattr(out, name))
                for name, _ in ffi.typeof(out[0]).fields if name != "size"}

    # Inside

    def log_peer(self, level: int, text: str, error: Optional[BaseException] = None) -> None:
        """As Core.log_peer(), with the queue's name."""
        self._core.log_peer(level, f"queue {self.index}: {text}", error)

    def _configure(self) -> None:
        handler = self._handler
        if handler is None:
            return
        info = ffi.new("struct vu_queue_info *", {
            "max_size": handler.size, "max_segs": handler.max_segs,
            "discard_when_disabled": int(handler.discard_when_disabled)})
        info.size = ffi.sizeof(info[0])
        if lib.vu_queue_configure(self._ptr, info) < 0:
            raise ValueError(f"{self}: size or max_segs is out of range")

    def _give_to(self, group: Group) -> None:
        self._core.check()
        check(lib.vu_queue_set_group(self._ptr, group._ptr), "vu_queue_set_group")
        self.owner = group.owner

    def _wrap(self, array: Any, n: int) -> list[Request]:
        reqs = [Request(self, array[i]) for i in range(n)]
        limit = self._max_bytes
        for req in [r for r in reqs if r.readable_len + r.writable_len > limit]:
            reqs.remove(req)
            why = (f"a request of {req.readable_len + req.writable_len} bytes fails: max_bytes is "
                   f"{limit}")
            error = LongRequest(f"{self}: {why}")
            self.log_peer(lib.VU_LOG_WARNING, why)
            req._fail(error)
        return reqs

    def ready(self, device: Device) -> None:
        """The queue_ready callback: gives what is there to the handler."""
        handler = self._handler
        if handler is None or thread.pending is not None:
            return
        if handler.pull:
            handler.call(device, self)
            return
        ptr, array = self._ptr, self._array
        while thread.pending is None:  # else serving ends: leave the rest in the ring
            n = lib.vu_queue_next_batch(ptr, array, BATCH)
            if n <= 0:
                return
            reqs = self._wrap(array, n)
            if handler.batch and reqs:
                self._serve_batch(device, handler, reqs)
                del reqs
            else:
                self._serve(device, handler, reqs)

    def _serve(self, device: Device, handler: Handler, reqs: list[Request]) -> None:
        function, method = handler.function, handler.method
        reqs.reverse()
        while reqs:
            req = reqs.pop()
            try:
                if handler.asynchronous:
                    device._start_task(handler, req)
                elif method:
                    function(device, req)
                else:
                    function(req)
            except BaseException as error:
                if self._interrupted(error):
                    reqs.append(req)
                    self._let_go(reqs)
                else:
                    self.failed(req, error)
            if self._core.ptr is None:
                end_child(None)
            del req  # if nobody else has it, it was forgotten: say so now

    def _serve_batch(self, device: Device, handler: Handler, reqs: list[Request]) -> None:
        given = list(reqs)
        try:
            if handler.asynchronous:
                device._start_task(handler, given)
            else:
                handler.call(device, given)
        except BaseException as error:
            if self._interrupted(error):
                self._let_go(reqs[::-1])
                return
            self.log_peer(lib.VU_LOG_ERROR, "handler", error)
            for req in reqs:
                if not req.done:
                    req._fail(error)

    def _interrupted(self, error: BaseException) -> bool:
        """Whether serving ends because of what a handler raised; keeps the error, then."""
        if self._core.ptr is None:
            end_child(error)
        if interrupts(error):
            abort(error)
            return True
        return False

    def failed(self, req: Request, error: BaseException) -> None:
        """A handler raised: says so and ends the request."""
        self.log_peer(lib.VU_LOG_ERROR, "handler", error)
        if not req.done:
            req._fail(error)

    def _let_go(self, reqs: list[Request]) -> None:
        """Serving ends: what was not done goes back to the driver; `reqs` is newest first."""
        for req in reqs:
            if req.done:
                continue
            try:
                req.put_back()
            except (ValueError, BufferError):
                req._fail(None)
        reqs.clear()
