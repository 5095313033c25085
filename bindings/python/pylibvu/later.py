# SPDX-License-Identifier: MIT
"""What a device's callbacks may return when they do not know their answer yet."""

from __future__ import annotations

import errno
import os
import threading
from typing import Any, Callable, Optional, Union

from ._vu import lib
from .handle import Handle

#: What a callback's answer is turned into: a number for C.
Convert = Callable[[Any], int]


class Later(Handle):
    """An answer that comes later: return it from the callback, and call give() or fail() once.

    From any thread.  No other message of the front-end is served meanwhile, and the virtual machine
    mostly stands still; the log names what is waited for.  One that is forgotten fails with EIO.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ptr: Any = None
        self._pid = os.getpid()
        self._value: Optional[int] = None
        self._given: Any = None  # before it was bound
        self._is_given = self._is_bound = False
        self._convert: Convert = int
        self._done: Callable[[], None] = lambda: None

    def give(self, value: Any = None) -> bool:
        """Answers what the callback would have returned; False if nobody hears it any more."""
        return self._answer(lambda: self._convert(value))

    def fail(self, error: Union[int, OSError]) -> bool:
        """Answers with an error: an errno, or an OSError that has one."""
        number = error if isinstance(error, int) else error.errno or errno.EIO
        return self._answer(lambda: -abs(number))

    def _answer(self, value: Callable[[], int]) -> bool:
        with self._lock:
            if self._is_given:
                raise RuntimeError("this answer was given before")
            self._is_given = True
            if self._ptr is None:
                self._given = value
                return True
        return self._send(value)

    def _send(self, value: Callable[[], int]) -> bool:
        try:
            number = value()
        except BaseException:
            self._give(-errno.EIO)
            raise
        return self._give(number)

    def _give(self, number: int) -> bool:
        ptr, self._ptr = self._ptr, None
        self._done()
        # in a child of fork() it is the parent's
        return self._pid == os.getpid() and int(lib.vu_answer_give(ptr, number)) == 0

    def _bind(self, ptr: Any, convert: Convert, done: Callable[[], None]) -> None:
        """The callback returned it."""
        with self._lock:
            if self._is_bound:
                raise RuntimeError("a Later is for one answer: make another one")
            self._is_bound = True
            self._ptr, self._convert, self._done = ptr, convert, done
            given = self._given
        if given is not None:
            self._send(given)

    def __del__(self) -> None:
        if getattr(self, "_ptr", None) is not None:
            self._give(-errno.EIO)
