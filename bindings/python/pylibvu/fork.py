# SPDX-License-Identifier: MIT
"""A child of fork() and its parent's devices.

The child has copies of everything: Python's objects, C memory, and descriptors of the same sockets,
epoll sets and wake-ups.  Whatever it did with them the parent would feel, so it loses the devices and
runners right after the fork: using one raises DeviceClosed, freeing one frees nothing.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import traceback
import weakref
from typing import NoReturn, Optional, Protocol


class Shared(Protocol):
    """What uses things that a child of fork() shares with its parent."""

    def lose(self) -> None:
        """In the child: it is the parent's alone."""


_shared: weakref.WeakSet[Shared] = weakref.WeakSet()


def share(thing: Shared) -> None:
    """Calls thing.lose() in every child of fork()."""
    _shared.add(thing)


def _after_fork() -> None:
    for thing in list(_shared):
        thing.lose()
    _shared.clear()


os.register_at_fork(after_in_child=_after_fork)


def end_child(error: Optional[BaseException]) -> NoReturn:
    """A callback is over in a child of fork(): ends the process as the interpreter would.

    Below us is C code that works on the parent's rings and sockets: there is no way back.
    """
    code = 1
    if isinstance(error, SystemExit):
        if error.code is None or isinstance(error.code, int):
            code = error.code or 0
        else:
            print(error.code, file=sys.stderr)
    elif error is not None:
        traceback.print_exception(type(error), error, error.__traceback__)
    else:
        logging.getLogger("pylibvu").critical(
            "a callback returned in a child of fork(), which ends here: let it exit or exec")
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass  # there is none, or it is closed
    os._exit(code & 0xff)
