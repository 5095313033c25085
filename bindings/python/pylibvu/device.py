# SPDX-License-Identifier: MIT
"""The device: what it is and offers, its handlers and its life."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from typing import Any, Callable, Iterable, Mapping, Optional, TypeVar, Union

from . import ask as _ask
from . import config as _config
from ._vu import lib
from .class_ops import ClassOps
from .core import Core, claim, interrupts
from .errors import DeviceClosed, WrongThread, check
from .group import Group, Timer, Watch
from .loop import processing
from .memory import GuestMemory
from .queue import Handler, Queue, needs_number
from .request import Request

F = TypeVar("F", bound=Callable[..., Any])


def _masks(name: str, bits: int) -> dict[str, int]:
    """A set of up to 128 bits, as the two words of struct vu_device_info."""
    return {name: bits & 0xffff_ffff_ffff_ffff, name + "_high": bits >> 64}


_LOG = {"error": lib.VU_LOG_ERROR, "warning": lib.VU_LOG_WARNING, "info": lib.VU_LOG_INFO,
        "debug": lib.VU_LOG_DEBUG}


def queue(index: int, *, batch: bool = False, pull: bool = False, size: int = 0, max_segs: int = 0,
          discard_when_disabled: bool = False) -> Callable[[F], F]:
    """Decorator of a method that serves a queue.

    It gets one request; with `batch` a list of them; with `pull` the Queue, to take requests
    from when it wants.  It may be `async def`.  `size` and `max_segs` limit the ring and the
    segments of a request; `discard_when_disabled` is for a network device's transmit queue.
    """
    needs_number(index)

    def decorate(function: F) -> F:
        handler = Handler(index, function, True, batch, pull, size, max_segs, discard_when_disabled)
        setattr(function, "_vu_queues", [*getattr(function, "_vu_queues", ()), handler])
        return function
    return decorate


class Device(ClassOps):
    """A virtio device.  Subclass it, or make one and decorate functions with @device.queue(n).

    Class attributes say what it is: device_id (virtio 1.3 §5), name, Feature and Field
    attributes, and the ones below.  The methods from session_begin() to failed() are there to be
    overridden.
    """

    #: Virtio device id.
    device_id: int = 0
    #: Names it in log lines; by default the class.
    name: str = ""
    #: Virtqueues; 0: as many as the handlers need.
    n_queues: int = 0
    #: More feature bits to offer; bits the driver must accept; bits of libvu's never to offer.
    features: Iterable[int] = ()
    required: Iterable[int] = ()
    forbidden: Iterable[int] = ()
    #: Largest ring and longest request that are taken; 0: libvu's limits.
    max_queue_size: int = 0
    max_segs: int = 0
    #: Most bytes of a request, readable and writable; a longer one fails with LongRequest before
    #: a handler sees it.  Buffers may overlap: they say nothing about how much memory the guest has.
    #: 0: no limit.
    max_bytes: int = 16 << 20
    #: Offer in-band notifications; for simulators.
    inband: bool = False
    #: Serve legacy drivers, too: those without VERSION_1, as firmware often is.
    legacy: bool = False
    #: Take guest memory of every file system: page faults on FUSE, NFS and the like may stall.
    any_memory: bool = False
    #: Offer ACCESS_PLATFORM: work behind an IOMMU of the virtual machine's.
    iommu: bool = False
    #: Most bytes of guest memory that may be mapped; 0: libvu's limit.
    max_memory: int = 0
    #: Seconds that a front-end has for its first message, or the rest of one; 0: for ever.
    message_timeout: Optional[float] = None

    #: Offer host notifiers: Queue.set_host_notifier().
    host_notifiers: bool = False
    #: Let guests come by postcopy migration (userfaultfd: needs root, or a sysctl).
    postcopy: bool = False
    #: Shared memory regions that the guest sees, bytes by id.  Their sum must be a power of two.
    shmem: Mapping[int, int] = {}

    _fields: list[_config.Field[Any]] = []

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._fields = _config.lay_out(cls)

    def __init__(self, device_id: Optional[int] = None, name: Optional[str] = None, *,
                 n_queues: Optional[int] = None, features: Iterable[int] = (),
                 config: bytes = b"", config_writable: bytes = b"") -> None:
        self.device_id = self.device_id if device_id is None else device_id
        self.name = name or self.name or type(self).__name__.lower()
        self.n_queues = self.n_queues if n_queues is None else n_queues
        self._core: Optional[Core] = None
        self._queues: tuple[Queue, ...] = ()
        self._groups: list[Group] = []
        self._own_group: Optional[Group] = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._handlers: dict[int, Handler] = {}
        self._closed = False
        declared = [f for c in type(self).__mro__ for f in vars(c).values()
                    if isinstance(f, _config.Feature)]
        self._offered = sum({1 << f.bit for f in declared if f.offered} |
                            {1 << b for b in [*type(self).features, *features]})
        self._required = sum({1 << f.bit for f in declared if f.required and f.offered} |
                             {1 << b for b in self.required})
        image, writable = _config.initial(self._fields, max(len(config), len(config_writable)))
        #: The configuration space as bytes.
        self.config = _config.ConfigSpace(
            config + image[len(config):],
            bytes(a | b for a, b in zip(writable, config_writable.ljust(len(writable), b"\0"))))
        for cls in reversed(type(self).__mro__):
            for attribute, function in vars(cls).items():
                for handler in getattr(function, "_vu_queues", ()):
                    # by name: a subclass may override the method without the decorator
                    self._handlers[handler.index] = replace(handler, function=getattr(type(self), attribute))

    def queue(self, index: int, *, batch: bool = False, pull: bool = False, size: int = 0,
              max_segs: int = 0, discard_when_disabled: bool = False) -> Callable[[F], F]:
        """Decorator of a function that serves a queue of this very device; see pylibvu.queue()."""
        needs_number(index)
        def decorate(function: F) -> F:
            if self._core is not None:
                raise RuntimeError(f"{self.name}: queues are described before serving")
            self._handlers[index] = Handler(index, function, False, batch, pull, size, max_segs,
                                            discard_when_disabled)
            return function
        return decorate

    # To be overridden

    def session_begin(self) -> None:
        """A front-end connected; raise Refused to turn it away.  Device thread."""

    def session_end(self, why: int) -> None:
        """The front-end is gone; requests are completed as usual.  Device thread.

        why is 0 if that was its own wish or ours, else a negative errno: -EPROTO for a message that
        cannot be, and so on (struct vu_ops); the log has the details.
        """

    def features_acked(self, features: int) -> None:
        """The driver's choice, maybe not its last; raise Refused to veto it.  Device thread."""

    def started(self) -> None:
        """The driver starts the device; features and configuration are final.  Device thread."""

    def stopped(self) -> None:
        """The last queue stopped.  Device thread."""

    def reset(self) -> None:
        """Back to the initial state.  Device thread."""

    def memory_changed(self) -> None:
        """Guest memory is another one now; memory() has it.  Let go of the old one.  Device thread.

        Called before the front-end hears that the change is done.  For the end of a session there
        is session_end().
        """

    def queue_stop(self, queue: Queue) -> None:
        """Finish, fail or put back this queue's requests soon: the guest stands still meanwhile."""

    def config_read(self, offset: int, length: int) -> Optional[bytes]:
        """Bytes that the driver shall read at `offset`, or None for what config has.

        For spaces that depend on a selector; a Field's reader is simpler for one field.
        """
        return None

    def config_written(self, offset: int, length: int) -> None:
        """The driver wrote here; fields' written functions have been called."""

    def failed(self, req: Request, error: Optional[BaseException]) -> None:
        """Ends a request whose handler raised, or that was forgotten; complete it as the device
        type says errors.  What this leaves open is completed with 0 bytes written."""

    def shmem_lost(self) -> None:
        """The driver stopped or reset the device: count with nothing of shmem being mapped."""

    # Its parts

    @property
    def core(self) -> Core:
        """The C device; made when it is first needed.  For this package."""
        if self._closed:
            raise DeviceClosed(f"{self.name} is closed")
        return self._core or self._create()

    @property
    def queues(self) -> tuple[Queue, ...]:
        """Its virtqueues."""
        self._core or self._create()
        return self._queues

    @property
    def own_group(self) -> Group:
        """The group that process() serves: timers, watches and call() of the device thread."""
        self.core
        assert self._own_group is not None
        return self._own_group

    @property
    def negotiated(self) -> int:
        """The feature bits that the driver accepted, of those offered; 0 before it did."""
        return int(lib.vu_device_features(self.core.check()))

    def memory(self) -> Optional[GuestMemory]:
        """Guest memory as it is now, by address; None while there is none.  Device thread.

        Few devices need it: requests come with their views.
        """
        core = self.core
        owned = core.owner.enter()
        try:
            ptr = lib.vu_device_memory(core.check())
            return GuestMemory(ptr) if ptr else None
        finally:
            if owned:
                core.owner.leave()

    def _create(self) -> Core:
        if self._closed:
            raise DeviceClosed(f"{self.name} is closed")
        dynamic = type(self).config_read is not Device.config_read or \
            any(f.on_read for f in self._fields)
        core = Core(self)
        core.create({
            "name": self.name.encode(), "device_id": self.device_id,
            "n_queues": self.n_queues or max(self._handlers, default=0) + 1,
            **_masks("features", self._offered | (1 << 33 if self.iommu else 0)),
            **_masks("required", self._required),
            **_masks("forbidden", sum({1 << b for b in self.forbidden})),
            "config": bytes(self.config._image), "config_writable": self.config.writable,
            "config_size": len(self.config), "max_queue_size": self.max_queue_size,
            "max_segs": self.max_segs,
            "flags": (lib.VU_DEVICE_INBAND if self.inband else 0) |
                     (lib.VU_DEVICE_LEGACY if self.legacy else 0) |
                     (lib.VU_DEVICE_ANY_MEMORY if self.any_memory else 0),
            "max_memory": self.max_memory}, dynamic)
        if type(self).memory_changed is not Device.memory_changed:
            core.watch_memory()
        if self.message_timeout is not None:
            lib.vu_device_set_message_timeout(core.ptr, int(self.message_timeout * 1e9))
        if self.host_notifiers:
            check(lib.vu_device_offer_host_notifiers(core.ptr), "host_notifiers")
        if self.postcopy:
            check(lib.vu_device_allow_postcopy(core.ptr), "postcopy")
        if self.shmem:
            _ask.declare(core, dict(self.shmem))
        self._set_class_ops(core)
        count = self.n_queues or max(self._handlers, default=0) + 1
        if any(i >= count or i < 0 for i in self._handlers):
            raise ValueError(f"{self.name}: a handler for a queue beyond n_queues")
        self._queues = tuple(Queue(core, i, self._handlers.get(i), self.max_bytes) for i in range(count))
        for q in self._queues:
            q._configure()
        self._own_group = Group(core, own=True)
        core.groups.append(self._own_group)
        self._core = self.config.core = core
        return core

    def group(self, queues: Iterable[int], *, poll: float = 0, cpu: Optional[int] = None) -> Group:
        """Lets another thread serve these queues, in parallel.  Before serving.

        serve() starts a thread for each group, unless a Worker has it; `poll` is the longest time in seconds that it
        polls before it sleeps, `cpu` the only one it runs on (both where serve() blocks).
        """
        core = self.core
        owned = core.owner.enter()
        try:
            indexes = list(queues)
            for index in indexes:
                handler = self.queues[index]._handler
                if handler is not None and handler.asynchronous:
                    raise ValueError(f"queue {index} has an async handler: it runs in the event "
                                     f"loop")
            group = Group(core, poll=poll, cpu=cpu)
            core.groups.append(group)
            for index in indexes:
                self.queues[index]._give_to(group)
            return group
        finally:
            if owned:
                core.owner.leave()

    def timer(self, function: Callable[[], Any]) -> Timer:
        """A timer on the device thread, not yet running."""
        return self.own_group.timer(function)

    def watch(self, fd: Union[int, Any], events: int, function: Callable[[int], Any]) -> Watch:
        """Calls function(events) on the device thread when a descriptor is ready."""
        return self.own_group.watch(fd, events, function)

    def call(self, function: Callable[..., Any], *args: Any) -> None:
        """Calls function(*args) on the device thread, soon.  From any thread."""
        self.own_group.call(function, *args)

    def map_shmem(self, region: int, offset: int, file: Union[int, Any], length: int, *,
                  fd_offset: int = 0, writable: bool = True, done: _ask.Done = None) -> None:
        """Lets the guest see a piece of a file, which is open for both, in a region of shmem.

        Between started() and stopped(); from any thread.  The file is shared, not copied, and
        may be closed.  done(None) is called on the device thread when the guest sees it, done(error)
        when it never will.  OSError for what cannot be; the log says why.
        """
        fd = file if isinstance(file, int) else file.fileno()
        _ask.map_piece(self.core, region, offset, fd, length, fd_offset, writable, done)

    def unmap_shmem(self, region: int, offset: int, *, done: _ask.Done = None) -> None:
        """Takes the piece away that begins there; from any thread.  done() as for map_shmem()."""
        _ask.unmap_piece(self.core, region, offset, done)

    def log(self, text: str, level: str = "info", *, peer: bool = True) -> None:
        """Writes a line to the device's log: "error", "warning", "info" or "debug".

        What a guest can cause as often as it likes has a limit for each level: 20 lines, then one
        a second; how many were left out is told with the next one.  peer=False is for what no
        guest can repeat.
        """
        core, line = self.core.check(), text.encode()
        if peer:
            lib.vu_device_log_peer(core, _LOG[level], line)
        else:
            lib.vu_device_log(core, _LOG[level], line)

    # A loop of your own

    @property
    def attached(self) -> bool:
        """Whether a front-end is attached."""
        owned = self.core.owner.enter()
        try:
            return bool(lib.vu_device_is_attached(self.core.check()))
        finally:
            if owned:
                self.core.owner.leave()

    def attach(self, sock: Union[int, socket.socket]) -> None:
        """Gives it a connected front-end; the device owns the socket from then on."""
        core = self.core
        owned = core.owner.enter()
        try:
            fd = sock if isinstance(sock, int) else sock.fileno()
            check(lib.vu_device_attach(core.check(), fd), "attach")
            if not isinstance(sock, int):
                sock.detach()
        finally:
            if owned:
                core.owner.leave()

    def detach(self, *, finish: bool = False) -> None:
        """Ends the session; with `finish` once no request is outstanding."""
        core = self.core
        owned = core.owner.enter()
        try:
            if finish:
                lib.vu_device_drain(core.check())
            else:
                lib.vu_device_detach(core.check())
        finally:
            if owned:
                core.owner.leave()

    def fileno(self) -> int:
        """Readable when process() has something to do; the same for the device's life."""
        return int(lib.vu_device_fd(self.core.check()))

    def process(self) -> bool:
        """Handles what is there, without blocking; True when there is more to do at once.

        WrongThread while another thread is in it, RuntimeError from a callback.
        """
        return bool(self._process() & lib.VU_PROCESS_MORE)

    def _process(self) -> int:
        core = self.core
        with processing(core.owner):
            result = check(int(lib.vu_device_process(core.check())), "process")
        return result

    async def serve(self, path: str, *, once: bool = False) -> None:
        """Serves front-ends at a socket file, in the running event loop, until it is cancelled.

        `once`: until the first session has ended.  Groups get threads.
        """
        from .aio import serve_device

        await serve_device(self, path, once)

    # Tasks of async handlers

    def _start_task(self, handler: Handler, argument: Union[Request, list[Request]]) -> None:
        service = self._core.asynchronous if self._core is not None else None
        if service is None:
            raise RuntimeError(f"queue {handler.index} has an async handler: "
                               f"`await device.serve(path)`")
        task = service.loop.create_task(self._run_task(handler, argument))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run_task(self, handler: Handler, argument: Union[Request, list[Request]]) -> None:
        reqs = [argument] if isinstance(argument, Request) else list(argument)
        core = reqs[0].queue._core
        try:
            await handler.call(self, argument)
        except asyncio.CancelledError:
            for req in reqs:
                if not req.done:
                    req._fail(None)
            raise
        except Exception as error:
            service = self._core.asynchronous if self._core is not None else None
            if service is not None and interrupts(error):
                service.finish(error)
            else:
                core.log_peer(lib.VU_LOG_ERROR, f"queue {handler.index}: handler", error)
            for req in reqs:
                if not req.done:
                    req._fail(error)

    # Configuration space, from C

    def _driver_wrote(self, offset: int, length: int) -> None:
        for field in self._fields:
            if field.on_write is not None and field.offset < offset + length and \
                    offset < field.offset + field.size:
                raw = self.config[field.offset:field.offset + field.size]
                field.on_write(self, field.unpack(raw))
        self.config_written(offset, length)

    def _driver_reads(self, offset: int, view: memoryview) -> None:
        end = offset + len(view)
        for field in self._fields:
            if field.on_read is not None and field.offset < end and \
                    offset < field.offset + field.size:
                _overlay(view, offset, field.offset, field.pack(field.on_read(self)))
        data = self.config_read(offset, len(view))
        if data is not None:
            _overlay(view, offset, offset, data)

    # The end

    def close(self) -> None:
        """Ends the session; the device cannot be used any more.  WrongThread while it is served.

        A runner that is not in run() or process() just now serves it no more.

        Outstanding requests may still be completed, and views stay valid.  What remains of the
        device goes with the last object that refers to it.
        """
        core = self._core
        if core is None or core.closed:
            self._closed = True
            return
        if core.in_callback():
            raise RuntimeError("close() from a callback")
        core.leave_workers()
        owners = core.all_owners()
        if core.runner is not None:
            core.runner.remove(self)  # between two turns, say
        if not claim(owners):
            raise WrongThread(f"{self.name} is served by another thread")
        try:
            core.end()
            self._closed = True
        finally:
            for owner in owners:
                owner.lock.release()

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}: device id {self.device_id}>"


def _overlay(view: memoryview, base: int, offset: int, data: bytes) -> None:
    """Copies `data`, which belongs at `offset`, into a view that begins at `base`."""
    start, end = max(base, offset), min(base + len(view), offset + len(data))
    if start < end:
        view[start - base:end - base] = data[start - offset:end - offset]
