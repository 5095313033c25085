# SPDX-License-Identifier: MIT
"""Guest memory: views of it that keep it mapped, and its regions by guest address."""

from __future__ import annotations

import errno
from functools import partial
from typing import TYPE_CHECKING, Any, Iterator, NamedTuple, Optional

from ._vu import ffi, lib
from .errors import check
from .handle import Handle

if TYPE_CHECKING:
    from types import TracebackType


def _keep(_owner: Any, _pointer: Any) -> None:
    """Bound to a reference on guest memory: that lives as long as the pointer."""


def buffer_of(memory: Any, segment: Any) -> Any:
    """A buffer over a struct iovec.  It owns a reference on the mapping: so does every view of it."""
    pointer = ffi.gc(segment.iov_base, partial(_keep, memory))
    return ffi.buffer(pointer, segment.iov_len)


def own(ptr: Any) -> Any:
    """A struct vu_memory *, released with the last that refers to it."""
    return ffi.gc(ptr, lib.vu_memory_release)


class Region(NamedTuple):
    """A run of guest memory."""

    #: Where it begins for the guest.
    address: int
    length: int


class GuestMemory(Handle):
    """Guest memory as it was when Device.memory() was called; stays mapped until release().

    Views keep it mapped, too.  Let go of all that in Device.memory_changed() and session_end(): the
    guest may have taken the memory away.  Any thread.
    """

    __slots__ = ("regions", "_ref")

    def __init__(self, ptr: Any) -> None:
        self._ref: Any = own(ptr)
        #: In the order of their addresses.
        self.regions: tuple[Region, ...] = tuple(self._describe())

    def _describe(self) -> Iterator[Region]:
        region = ffi.new("struct vu_region *")
        for index in range(1 << 32):
            region.size = ffi.sizeof(region[0])
            result = lib.vu_memory_region(self._ref, index, region)
            if result == -errno.ENOENT:
                return
            check(result, "vu_memory_region")
            yield Region(int(region.guest_addr), int(region.len))

    def views(self, address: int, length: int) -> tuple[memoryview, ...]:
        """A range of guest addresses, one view for each region that it touches; writable.

        The guest can change what is there at any time: copy, check, use the copy.  IndexError if a
        part of it is no guest memory; ValueError after release().
        """
        if self._ref is None:
            raise ValueError("this reference on guest memory was released")
        if not 0 <= address < 1 << 64 or not 0 <= length < 1 << 64:
            raise IndexError(f"{length} bytes at {address} cannot be guest memory")
        iov = ffi.new("struct iovec[]", len(self.regions))
        n = lib.vu_memory_map(self._ref, address, length, iov, len(self.regions))
        if n == -errno.EFAULT:
            raise IndexError(f"{length} bytes at {address:#x} are not all guest memory")
        check(n, "vu_memory_map")
        return tuple(memoryview(buffer_of(self._ref, iov[i])) for i in range(n))

    def release(self) -> None:
        """Gives the reference back; views that are still there keep theirs."""
        self._ref = None

    def __enter__(self) -> GuestMemory:
        return self

    def __exit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        self.release()
