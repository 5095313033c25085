# SPDX-License-Identifier: MIT
"""Virtio devices in Python: vhost-user back-ends with libvu.

    class Rng(pylibvu.Device):
        device_id = 4

        @pylibvu.queue(0)
        def requests(self, req):
            req.write(os.urandom(min(req.writable_len, 65536)))
            req.complete()

    pylibvu.serve(Rng(), "/tmp/rng.sock")

docs/python.md is the tutorial.  Log lines go to logging.getLogger("pylibvu").
"""

from __future__ import annotations

from ._vu import ffi, lib
from .class_ops import CryptoSession, State
from .config import U8, U16, U32, U64, Bytes, ConfigSpace, Feature, Field
from .device import Device, queue
from .errors import (DeviceClosed, Error, LongRequest, QueueBroken, Refused, RequestDone,
                     ShortRequest, WrongThread)
from .group import Group, Timer, Watch
from .hold import hold
from .later import Later
from .memory import GuestMemory, Region
from .queue import Queue
from .request import Request
from .runner import Runner, serve
from .script import COMMAND_LINE, Script, command, run_file
from .worker import Worker

__version__ = "0.1.0"

#: Feature bits of the library that a device may have a say in: `forbidden = {EVENT_IDX}`.
INDIRECT_DESC: int = lib.VU_F_INDIRECT_DESC
EVENT_IDX: int = lib.VU_F_EVENT_IDX
VERSION_1: int = lib.VU_F_VERSION_1
RING_PACKED: int = lib.VU_F_RING_PACKED
IN_ORDER: int = lib.VU_F_IN_ORDER


def library_version() -> str:
    """The version of the libvu that is loaded."""
    text: bytes = ffi.string(lib.vu_version())
    return text.decode()


__all__ = [
    "Bytes", "command", "COMMAND_LINE", "ConfigSpace", "CryptoSession", "Device", "DeviceClosed",
    "Error", "EVENT_IDX", "Feature", "Field", "Group", "GuestMemory", "hold", "IN_ORDER",
    "INDIRECT_DESC", "Later", "library_version", "LongRequest", "Queue", "queue", "QueueBroken",
    "Refused", "Region", "Request", "RequestDone", "RING_PACKED", "run_file", "Runner", "Script",
    "serve", "ShortRequest", "State", "Timer", "U16", "U32", "U64", "U8", "VERSION_1", "Watch",
    "Worker", "WrongThread"]
