# SPDX-License-Identifier: MIT
"""What a device asks of its front-end, and how it hears of the end: see libvu/ask.h."""

from __future__ import annotations

import os
import weakref
from typing import Any, Callable, Optional

from ._vu import ffi, lib
from .core import Core, export, owner_of, run_callback
from .errors import check

#: Called on the device thread: None, it is done; or why it is not.
Done = Optional[Callable[[Optional[OSError]], Any]]

_pending: set[_Asked] = set()  # those that C code has a pointer to


class _Asked:
    """One question; lives until it is answered."""

    def __init__(self, core: Core, what: str, done: Done) -> None:
        self.core = weakref.ref(core)
        self.what, self.done = what, done
        self.handle = ffi.new_handle(self)


@export("asked")
def _asked(_dev: Any, result: int, opaque: Any) -> None:
    asked: _Asked = ffi.from_handle(opaque)
    _pending.discard(asked)
    core = asked.core()
    if core is not None and asked.done is not None:
        error = OSError(-result, f"{asked.what}: {os.strerror(-result)}") if result else None
        run_callback(core, core.owner, asked.what, asked.done, error)


def ask(core: Core, what: str, done: Done, function: Callable[..., int], *args: Any,
        of: Any = None) -> None:
    """Calls function(device, *args, callback, its argument), or of its queue; OSError if that
    cannot even be asked."""
    ptr = core.check() if of is None else of
    asked = _Asked(core, what, done)
    _pending.add(asked)
    result = int(function(ptr, *args, lib.vupy_asked, asked.handle))
    if result < 0:
        _pending.discard(asked)
    check(result, what)


@export("shmem_lost")
def _shmem_lost(_dev: Any, opaque: Any) -> None:
    core = owner_of(opaque)
    device = core.device() if core is not None else None
    if core is not None and device is not None:
        run_callback(core, core.owner, "shmem_lost", device.shmem_lost)


def declare(core: Core, regions: dict[int, int]) -> None:
    """Gives the C device its shared memory regions."""
    count = max(regions) + 1
    lens = ffi.new("uint64_t[]", [regions.get(i, 0) for i in range(count)])
    info = ffi.new("struct vu_shmem_info *", {"lens": lens, "n_lens": count,
                                              "lost": lib.vupy_shmem_lost})
    info.size = ffi.sizeof(info[0])
    if lib.vu_device_set_shmem(core.ptr, info) < 0:
        raise ValueError(f"{core.name}: libvu refuses its shared memory; the log says why")


def map_piece(core: Core, region: int, offset: int, fd: int, length: int, fd_offset: int,
              writable: bool, done: Done) -> None:
    """Device.map_shmem()."""
    piece = ffi.new("struct vu_shmem_piece *", {
        "id": region, "flags": lib.VU_SHMEM_WRITE if writable else 0, "offset": offset,
        "len": length, "fd_offset": fd_offset, "fd": fd})
    piece.size = ffi.sizeof(piece[0])
    ask(core, "map_shmem", done, lib.vu_device_map_shmem, piece)


def unmap_piece(core: Core, region: int, offset: int, done: Done) -> None:
    """Device.unmap_shmem()."""
    ask(core, "unmap_shmem", done, lib.vu_device_unmap_shmem, region, offset)
