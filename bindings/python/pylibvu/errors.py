# SPDX-License-Identifier: MIT
"""The exceptions of this package, and how libvu's -errno becomes one."""

from __future__ import annotations

import os


class Error(Exception):
    """Base of what this package raises by itself; what the system refuses is an OSError."""


class RequestDone(Error):
    """The request was completed, failed or put back: it belongs to the driver again."""


class ShortRequest(Error, ValueError):
    """The driver's buffers are too short for what was to be read or written."""


class LongRequest(Error, ValueError):
    """Device.failed() gets it for a request with more bytes than the device's max_bytes."""


class WrongThread(Error, RuntimeError):
    """Another thread serves this device or group; use call(), which runs there."""


class DeviceClosed(Error, RuntimeError):
    """close() was called on this device, group, timer or runner."""


class QueueBroken(Error):
    """The driver made the ring unusable; it has to reset it.  The log says what is wrong."""


class Refused(Error):
    """Raise it in session_begin(), features_acked() or started() to say no; logged as one line."""


def check(result: int, what: str) -> int:
    """Returns `result`, or raises OSError if it is a negative errno."""
    if result < 0:
        raise OSError(-result, f"{what}: {os.strerror(-result)}")
    return result
