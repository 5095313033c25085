# SPDX-License-Identifier: MIT
"""Who owns a C device, who may use it now, and the way from C callbacks to Python.

Nothing here refers strongly from the C side to a Device: a Device owns its Core; queues, requests
and groups own the Core, too.  The C device is freed with the last of them, so that no order in which
objects go can leave a pointer behind.
"""

from __future__ import annotations

import errno
import inspect
import logging
import threading
import weakref
from threading import get_ident
from typing import TYPE_CHECKING, Any, Callable, Optional

from ._vu import ffi, lib
from .errors import DeviceClosed, Refused, WrongThread
from .fork import end_child, share
from .handle import Handle

if TYPE_CHECKING:
    from .device import Device
    from .group import Group

log = logging.getLogger("pylibvu")

_LEVELS = {
    lib.VU_LOG_ERROR: logging.ERROR,
    lib.VU_LOG_WARNING: logging.WARNING,
    lib.VU_LOG_INFO: logging.INFO,
    lib.VU_LOG_DEBUG: logging.DEBUG,
}


def wanted_level() -> int:
    """libvu formats no line that logging would drop."""
    wanted = log.getEffectiveLevel()
    return max((int(vu) for vu, level in _LEVELS.items() if level >= wanted), default=0)


class _Thread(threading.local):
    """What an exception that interrupts() does to this thread."""

    pending: Optional[BaseException] = None
    logged: Optional[BaseException] = None  # of the line that log_peer() writes now
    stop: Optional[Callable[[], None]] = None


thread = _Thread()


def interrupts(error: BaseException) -> bool:
    """Whether it ends serving: KeyboardInterrupt and its like, and what a signal handler raised."""
    return not isinstance(error, Exception) or (
        threading.current_thread() is threading.main_thread() and _of_signal_handler(error))


def _of_signal_handler(error: BaseException) -> bool:
    """A handler is known by its argument: Python hands it the frame that called it, so to speak."""
    entry = error.__traceback__
    while entry is not None:
        frame, code = entry.tb_frame, entry.tb_frame.f_code
        count = code.co_argcount
        names = list(code.co_varnames[:count])
        if code.co_flags & inspect.CO_VARARGS:
            names.append(code.co_varnames[count + code.co_kwonlyargcount])
        for name in names:
            value = frame.f_locals.get(name)
            for one in value if isinstance(value, tuple) else (value,):
                if one is not None and one is frame.f_back:
                    return True
        entry = entry.tb_next
    return False


def abort(error: BaseException) -> None:
    """Keeps an exception that C code must not see, for who called into C on this thread."""
    if thread.stop is None:
        log.critical("a callback was interrupted on a thread that nobody waits for", exc_info=error)
        return
    thread.pending = thread.pending or error
    thread.stop()


def raise_pending() -> None:
    """Raises what abort() kept."""
    error, thread.pending = thread.pending, None
    if error is not None:
        raise error


class Owner:
    """The right to use a device, or a group: one thread at a time.

    `lock` is held while a thread processes, or keeps it for more: `keeper`; `ident` is the thread that is
    in Python code on its behalf (a callback, or a call from outside).
    """

    __slots__ = ("lock", "ident", "keeper")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.ident = self.keeper = 0

    def enter(self) -> bool:
        """True if leave() has to be called; raises WrongThread."""
        if self.ident == get_ident():
            return False
        if self.keeper != get_ident() and not self.lock.acquire(False):
            raise WrongThread("another thread serves it now")
        self.ident = get_ident()
        return True

    def leave(self) -> None:
        self.ident = 0
        if self.keeper != get_ident():
            self.lock.release()

    def hold(self) -> bool:
        """Keeps it for this thread until let_go(); False if another has it."""
        if not self.lock.acquire(False):
            return False
        self.keeper = get_ident()
        return True

    def let_go(self) -> None:
        self.keeper = 0
        self.lock.release()


def claim(owners: list[Owner]) -> bool:
    """Takes the locks of all of them, or of none."""
    for count, owner in enumerate(owners):
        if not owner.lock.acquire(False):
            for taken in owners[:count]:
                taken.lock.release()
            return False
    return True


class _Link:
    """What C code has as its opaque pointer: weak, so that it keeps nothing alive."""

    __slots__ = ("core",)

    def __init__(self, core: Core) -> None:
        self.core = weakref.ref(core)


class Core(Handle):
    """A C device and what must be freed before it."""

    def __init__(self, device: Device) -> None:
        self.device = weakref.ref(device)
        self.name = device.name
        self.owner = Owner()
        self.groups: list[Group] = []
        self.runner: Optional[Any] = None
        self.closed = False
        self.gone = "is closed"  # why, if it is
        self.asynchronous: Optional[Any] = None  # the Service of Device.serve()
        self.ptr: Any = None
        self._keep: list[Any] = [ffi.new_handle(_Link(self))]
        share(self)

    def create(self, info: dict[str, Any], dynamic_config: bool) -> None:
        """Makes the C device; `info` has the members of struct vu_device_info."""
        keep = self._keep
        for member in ("name", "config", "config_writable"):
            if info.get(member):  # an empty configuration space is none
                keep.append(ffi.new("char[]", info[member]))
                info[member] = keep[-1]
            else:
                info[member] = None
        info = {k: v for k, v in info.items() if v is not None}
        c_info = ffi.new("struct vu_device_info *", info)
        c_info.size = ffi.sizeof(c_info[0])
        c_info.log_fn = lib.vupy_log
        c_info.log_level = wanted_level()
        ops = ffi.new("struct vu_ops *")
        ops.size = ffi.sizeof(ops[0])
        for name, _ in ffi.typeof(ops[0]).fields:
            if name != "size" and (name != "config_read" or dynamic_config):
                setattr(ops, name, getattr(lib, "vupy_" + name))
        out = ffi.new("struct vu_device **")
        result = lib.vu_device_new(c_info, ops, keep[0], out)
        if result == -errno.EINVAL:
            raise ValueError(f"{self.name}: libvu refuses its description; the log says why")
        if result < 0:
            raise OSError(-result, f"{self.name}: no device could be made")
        self.ptr = out[0]
        if lib.vu_device_guard(self.ptr) < 0:
            log.warning("%s: no handler for SIGBUS: truncated guest memory would be fatal", self.name)

    def watch_memory(self) -> None:
        """Has Device.memory_changed() called."""
        lib.vu_device_watch_memory(self.ptr, lib.vupy_memory, self._keep[0])

    def log_peer(self, level: int, text: str, error: Optional[BaseException] = None) -> None:
        """A line that a guest or front-end can cause, with the traceback of `error`.

        It shares the limit of libvu's lines, and comes back from there to _log().
        """
        if self.ptr is None:
            return
        previous, thread.logged = thread.logged, error
        try:
            lib.vu_device_log_peer(self.ptr, level, text.encode(errors="replace"))
        finally:
            thread.logged = previous

    def owners(self) -> list[Owner]:
        """The device's, and those of groups that have no thread yet."""
        return [self.owner, *(g.owner for g in self.groups
                              if g.owner is not self.owner and not g.placed)]

    def all_owners(self) -> list[Owner]:
        """The device's, and those of all its groups."""
        return [self.owner, *(g.owner for g in self.groups if g.owner is not self.owner)]

    def in_callback(self) -> bool:
        """Whether this thread is in one of the device, or of a group of it."""
        return get_ident() in [self.owner.ident, *(g.owner.ident for g in self.groups)]

    def leave_workers(self) -> None:
        """No Worker has a group of it any more."""
        for group in self.groups:
            if group._worker is not None:
                group._worker.remove(group)

    def check(self) -> Any:
        """The C device, for functions of any thread."""
        if self.closed or self.ptr is None:
            raise DeviceClosed(f"{self.name} {self.gone}")
        return self.ptr

    def present(self) -> None:
        """For what may still happen after close(), but not in a child of fork()."""
        if self.ptr is None:
            raise DeviceClosed(f"{self.name} {self.gone}")

    def lose(self) -> None:
        """In a child of fork(): the C device is the parent's; it is neither freed nor told."""
        self.ptr, self.closed, self.runner = None, True, None
        self.gone = "was made before fork(): it is the parent's"
        for group in self.groups:
            group.lose()
        self.owner.__init__()  # type: ignore[misc]
        thread.pending = thread.stop = None

    def end_session(self) -> None:
        """Detaches and lets every queue answer; the caller is every queue's thread."""
        lib.vu_device_detach(self.ptr)
        for _ in range(100):
            if lib.vu_device_process(self.ptr) & lib.VU_PROCESS_ENDED:
                return
            for group in self.groups:
                group.stand_in()
            if not lib.vu_device_is_attached(self.ptr):
                return

    def end(self) -> None:
        """By close(): ends what is told or served to others; the caller is every group's thread."""
        self.end_session()
        for group in self.groups:
            group.end_scripts()
        self.closed = True

    def __del__(self) -> None:
        ptr, self.ptr = self.ptr, None
        if ptr is None or lib is None:  # at the interpreter's end modules may have been emptied before
            return
        self.closed = True
        if self.runner is not None:
            self.runner.release()
        self.ptr = ptr
        self.end_session()
        self.ptr = None
        for group in self.groups:
            group.free()
        lib.vu_device_free(ptr)
        for group in self.groups:
            group.forget()


def owner_of(opaque: Any) -> Optional[Core]:
    core: Optional[Core] = ffi.from_handle(opaque).core()
    return core


def run_callback(core: Core, owner: Owner, what: str, function: Callable[..., Any],
                 *args: Any) -> int:
    """Runs Python code for C: 0 or -errno, whatever happens in it."""
    previous, owner.ident = owner.ident, get_ident()
    try:
        function(*args)
        if core.ptr is None:
            end_child(None)
        return 0
    except BaseException as error:
        if core.ptr is None:
            end_child(error)
        if interrupts(error):
            abort(error)
            return -errno.EINTR
        if isinstance(error, Refused):
            core.log_peer(lib.VU_LOG_WARNING, f"{what}: refused: {error}")
            return -errno.EINVAL
        core.log_peer(lib.VU_LOG_ERROR, what, error)
        number = error.errno if isinstance(error, OSError) else None
        return -(number or errno.EIO)
    finally:
        owner.ident = previous


def _stray(kind: Any, error: Any, traceback: Any) -> None:
    """An exception between C and the try of run_callback(): a signal came just then."""
    error.with_traceback(traceback)
    if interrupts(error):
        abort(error)
    else:
        log.error("in a callback", exc_info=error)


def returns_value(name: str) -> bool:
    """Whether the C callback vupy_<name> is not void."""
    return bool(ffi.typeof(getattr(lib, "vupy_" + name)).result.kind != "void")


def export(name: str, error: int = 0) -> Callable[[Callable[..., Any]], Any]:
    """Makes a function the Python side of the C callback vupy_<name>."""
    def decorate(function: Callable[..., Any]) -> Any:
        if returns_value(name):
            return ffi.def_extern(name="vupy_" + name, error=error, onerror=_stray)(function)
        return ffi.def_extern(name="vupy_" + name, onerror=_stray)(function)
    return decorate


@export("log")
def _log(_opaque: Any, level: int, line: Any) -> None:
    error, thread.logged = thread.logged, None  # not of what a logging handler causes
    log.log(_LEVELS.get(level, logging.DEBUG), "%s", ffi.string(line).decode("utf-8", "replace"),
            exc_info=error)


def _control(name: str, c_name: str = "") -> None:
    """Device-thread callbacks that are a method on Device, mostly of the same name."""
    @export(c_name or name, -errno.EIO)
    def callback(_dev: Any, *args: Any) -> Optional[int]:
        core = owner_of(args[-1])
        device = core.device() if core is not None else None
        result = 0
        if core is not None and device is not None:
            result = run_callback(core, core.owner, name, getattr(device, name), *args[:-1])
        return result if returns else None

    returns = returns_value(c_name or name)


for _name in ("session_begin", "session_end", "started", "stopped", "reset"):
    _control(_name)
_control("memory_changed", "memory")


@export("features_acked", -errno.EIO)
def _features_acked(_dev: Any, low: int, high: int, opaque: Any) -> int:
    core = owner_of(opaque)
    device = core.device() if core is not None else None
    if core is None or device is None:
        return 0
    return run_callback(core, core.owner, "features_acked", device.features_acked, low | high << 64)


@export("config_written", -errno.EIO)
def _config_written(_dev: Any, offset: int, length: int, opaque: Any) -> int:
    core = owner_of(opaque)
    device = core.device() if core is not None else None
    if core is None or device is None:
        return 0
    return run_callback(core, core.owner, "config_written", device._driver_wrote, offset, length)


@export("config_read", -errno.EIO)
def _config_read(_dev: Any, offset: int, buf: Any, length: int, opaque: Any) -> int:
    core = owner_of(opaque)
    device = core.device() if core is not None else None
    if core is None or device is None:
        return 0
    view = memoryview(ffi.buffer(buf, length))
    try:
        return run_callback(core, core.owner, "config_read", device._driver_reads, offset, view)
    finally:
        view.release()


@export("queue_ready")
def _queue_ready(queue: Any, opaque: Any) -> None:
    core = owner_of(opaque)
    device = core.device() if core is not None else None
    if core is not None and device is not None:
        q = device.queues[lib.vu_queue_index(queue)]
        run_callback(core, q.owner, "queue_ready", q.ready, device)


@export("queue_stop")
def _queue_stop(queue: Any, opaque: Any) -> None:
    core = owner_of(opaque)
    device = core.device() if core is not None else None
    if core is not None and device is not None:
        q = device.queues[lib.vu_queue_index(queue)]
        run_callback(core, q.owner, "queue_stop", device.queue_stop, q)
