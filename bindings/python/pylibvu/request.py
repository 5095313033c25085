# SPDX-License-Identifier: MIT
"""A request: one chain of buffers that the driver made available.

Invariant: `_ptr` is a request that libvu counts as outstanding, or None.  Everything that uses it
holds `_lock`, so that two threads cannot complete and read at the same time.
"""

from __future__ import annotations

import errno
import struct
import threading
import warnings
import weakref
from threading import get_ident
from typing import TYPE_CHECKING, Any, Optional, Union

from ._vu import ffi, lib
from .core import abort, interrupts
from .errors import RequestDone, ShortRequest, check
from .handle import Handle
from .memory import buffer_of, own

if TYPE_CHECKING:
    from types import TracebackType

    from .queue import Queue

Data = Union[bytes, bytearray, memoryview]


class Request(Handle):
    """A request of the driver's: readable bytes, writable bytes, and one completion.

    Complete it once, from any thread, with complete(); or use it in a `with` block, which
    completes it at its end and fails it on an exception.  The guest may change its buffers at any
    time: read() a header once, check the copy, use the copy.
    """

    __slots__ = ("queue", "readable_len", "writable_len", "resubmitted", "_ptr", "_lock", "_views",
                 "_memory", "_position", "_written", "__weakref__")

    def __init__(self, queue: Queue, ptr: Any) -> None:
        #: The queue it came from.
        self.queue = queue
        #: Bytes that the driver sent.
        self.readable_len: int = ptr.readable_len
        #: Bytes that the device may write.
        self.writable_len: int = ptr.writable_len
        #: It was in flight when an earlier back-end process died, and may have run already.
        self.resubmitted = bool(ptr.flags)
        self._ptr: Any = ptr
        self._lock = threading.RLock()
        self._views: Optional[list[tuple[memoryview, Any]]] = None
        self._memory: Any = None
        self._position = 0
        self._written = 0

    @property
    def done(self) -> bool:
        """Whether it was completed, failed or put back."""
        return self._ptr is None

    def _alive(self) -> Any:
        if self._ptr is None:
            raise RequestDone(f"{self.queue}: this request is done")
        return self._ptr

    # Copying

    def read(self, size: int = -1, at: Optional[int] = None) -> bytes:
        """Copies `size` bytes (all that are left by default) from the readable part.

        Goes on where the last read ended, or begins at `at`.  Returns fewer where the request ends.
        The driver chooses how long a request is, up to the device's max_bytes: give a size where
        you know one.
        """
        with self._lock:
            ptr = self._alive()
            start = self._position if at is None else at
            if start < 0:
                raise ValueError("at is negative")
            left = max(self.readable_len - start, 0)
            size = left if size < 0 else min(size, left)
            self._position = start + size
            if ptr.n_readable == 1:
                data: bytes = ffi.buffer(ptr.readable.iov_base + start, size)[:]
                return data
            copy = bytearray(size)
            lib.vu_req_read(ptr, start, ffi.from_buffer(copy), size)
            return bytes(copy)

    def unpack(self, layout: str, at: Optional[int] = None) -> tuple[Any, ...]:
        """Reads a structure (see the module struct); ShortRequest if there is less than that."""
        size = struct.calcsize(layout)
        data = self.read(size, at)
        if len(data) < size:
            raise ShortRequest(f"{self.queue}: {size} bytes expected, {len(data)} there")
        return struct.unpack(layout, data)

    def write(self, data: Data, at: Optional[int] = None) -> int:
        """Copies `data` into the writable part, after what was written last or at `at`.

        ShortRequest, with nothing written, if it does not fit.  Returns the bytes written; the
        highest position reached is what complete() reports.
        """
        with self._lock:
            ptr = self._alive()
            source = ffi.from_buffer(data)
            size = len(source)
            start = self._written if at is None else at
            if start < 0:
                raise ValueError("at is negative")
            if start + size > self.writable_len:
                raise ShortRequest(f"{self.queue}: {size} bytes at {start} do not fit into "
                                   f"{self.writable_len}")
            lib.vu_req_write(ptr, start, source, size)
            self._written = max(self._written, start + size)
            return size

    # Zero-copy

    @property
    def readable(self) -> tuple[memoryview, ...]:
        """The driver's buffers with data for the device, one read-only view each; no copy."""
        return self.views(False)

    @property
    def writable(self) -> tuple[memoryview, ...]:
        """The driver's buffers for the device's data, one view each; no copy.

        Tell complete() how many bytes of them were written.
        """
        return self.views(True)

    def views(self, writable: bool, offset: int = 0, size: int = -1) -> tuple[memoryview, ...]:
        """Views of a range of the writable (or the readable) part, as if it were one piece."""
        with self._lock:
            ptr = self._alive()
            iov, n, total = ((ptr.writable, ptr.n_writable, self.writable_len) if writable else
                             (ptr.readable, ptr.n_readable, self.readable_len))
            if offset or size >= 0:
                if offset < 0 or offset > total:
                    raise ValueError(f"offset {offset} is outside of the request")
                size = total - offset if size < 0 else size
                part = ffi.new("struct iovec[]", max(n, 1))
                n = lib.vu_iov_slice(iov, n, offset, size, part, n)
                if n == -errno.ERANGE:
                    raise ShortRequest(f"{self.queue}: {size} bytes at {offset} are more than "
                                       f"{total}")
                iov = part
                check(n, "vu_iov_slice")
            return tuple(self._view(iov[i], writable) for i in range(n))

    def _view(self, segment: Any, writable: bool) -> memoryview:
        if self._memory is None:
            self._memory = own(lib.vu_req_memory(self._ptr))
        if self._views is None:
            self._views = []
        buffer = buffer_of(self._memory, segment)
        view = memoryview(buffer)
        if not writable:
            view = view.toreadonly()
        self._views.append((view, weakref.ref(buffer)))
        return view

    def _release_views(self) -> None:
        """Takes back all views; BufferError if something made from one still lives."""
        views = self._views
        while views:
            view, buffer = views[-1]
            view.release()  # raises by itself where it is exported
            del view
            if buffer() is not None:
                raise BufferError(f"{self.queue}: a slice of a view of this request is still in use")
            views.pop()

    # Ending

    def complete(self, written: Optional[int] = None) -> None:
        """Gives the request back to the driver.

        `written`: bytes written, from the start of the writable part, and all that were touched
        are among them (a status at the end makes it writable_len); by default what write()
        reached.  Views are released first: BufferError if a slice, an array or another thread
        still uses one, and the request stays outstanding.  ValueError if `written` is more than
        writable_len.  Any thread.
        """
        with self._lock:
            ptr = self._alive()
            if self._views:
                self._release_views()
            self._finish(ptr, self._written if written is None else written)

    def _finish(self, ptr: Any, written: int) -> None:
        if written < 0 or written > self.writable_len:
            raise ValueError(f"{self.queue}: {written} bytes written, of {self.writable_len}")
        self.queue._core.present()
        if self.queue.owner.ident == get_ident():
            result = lib.vu_req_complete(ptr, written)
        else:
            result = lib.vu_req_complete_remote(ptr, written)
        self._ptr = self._memory = None
        check(result, "vu_req_complete")

    def fail(self, error: Optional[BaseException] = None) -> None:
        """Ends the request as its device fails requests: Device.failed(), else 0 bytes written."""
        with self._lock:
            self._alive()
            self._fail(error)

    def _fail(self, error: Optional[BaseException]) -> None:
        """Ends it in any case: views in use stay valid, for they hold the memory."""
        if not self.queue.usable():
            return  # in a child of fork(): the parent ends it
        device = self.queue.device
        if device is not None:
            try:
                device.failed(self, error)
            except Exception as second:
                if interrupts(second):
                    abort(second)
                else:
                    self.queue.log_peer(lib.VU_LOG_ERROR, "failed()", second)
        with self._lock:
            ptr = self._ptr
            if ptr is None:
                return
            try:
                self._release_views()
            except BufferError:
                self.queue.log_peer(lib.VU_LOG_WARNING, "a failed request leaves a view behind")
            self._finish(ptr, 0)

    @property
    def progress(self) -> int:
        """How far the device got with it, in bytes: what was set, also before a put_back().

        0 before that, and after the queue was stopped.  At most readable_len + writable_len:
        ValueError beyond.  Setting and reading: WrongThread.
        """
        owned = self.queue.owner.enter()
        try:
            with self._lock:
                return int(lib.vu_req_progress(self._alive()))
        finally:
            if owned:
                self.queue.owner.leave()

    @progress.setter
    def progress(self, progress: int) -> None:
        owned = self.queue.owner.enter()
        try:
            with self._lock:
                ptr = self._alive()
                if not 0 <= progress <= self.readable_len + self.writable_len:
                    raise ValueError(f"{self.queue}: {progress} is more than a request's bytes")
                check(lib.vu_req_set_progress(ptr, progress), "vu_req_set_progress")
        finally:
            if owned:
                self.queue.owner.leave()

    def put_back(self) -> None:
        """Un-takes the newest request: the driver sees it as never taken, but for its `progress`.

        ValueError if a newer one was taken and not put back; WrongThread.
        """
        owned = self.queue.owner.enter()
        try:
            with self._lock:
                ptr = self._alive()
                if self._views:
                    self._release_views()
                self.queue._core.present()
                result = lib.vu_req_put_back(ptr)
                if result == -errno.EINVAL:
                    raise ValueError(f"{self.queue}: a newer request was taken")
                self._ptr = self._memory = None
                check(result, "vu_req_put_back")
        finally:
            if owned:
                self.queue.owner.leave()

    def leave(self) -> bool:
        """For queue_stop(): leaves it in the in-flight log for whoever serves the queue next.

        False, and nothing happened, if the front-end cannot take it back: finish it instead.
        OSError (EBUSY) while the queue is not stopping; WrongThread.
        """
        owned = self.queue.owner.enter()
        try:
            with self._lock:
                ptr = self._alive()
                if self._views:
                    self._release_views()
                self.queue._core.present()
                result = lib.vu_req_leave(ptr)
                if result == -errno.ENOTSUP:
                    return False
                check(result, "leave")
                self._ptr = self._memory = None
                return True
        finally:
            if owned:
                self.queue.owner.leave()

    def __enter__(self) -> Request:
        self._alive()
        return self

    def __exit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        if self._ptr is None:
            return
        if error is None:
            self.complete()
        else:
            self._fail(error)

    def __del__(self) -> None:
        if getattr(self, "_ptr", None) is None or not self.queue.usable():
            return
        text = "a request was dropped without complete()"
        self.queue.log_peer(lib.VU_LOG_WARNING, text)
        warnings.warn(f"{self.queue}: {text}", ResourceWarning, source=self)
        self._fail(None)

    def __repr__(self) -> str:
        state = "done" if self.done else f"{self.readable_len} readable, " \
                                         f"{self.writable_len} writable"
        return f"<Request of {self.queue}: {state}>"
