# SPDX-License-Identifier: MIT
"""What every loop does around a call into the library: one thread at a time, and interruptions."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Callable, Iterator, Optional

from .core import Owner, raise_pending, thread


@contextmanager
def processing(owner: Owner, stop: Optional[Callable[[], None]] = None) -> Iterator[None]:
    """Around a call that runs callbacks on this thread: what they were interrupted by comes out."""
    if not owner.enter():
        raise RuntimeError("process() from a callback of what it serves")
    outer, thread.stop = thread.stop, stop or (lambda: None)
    try:
        yield
    finally:
        thread.stop = outer
        owner.leave()
    if outer is None:
        raise_pending()
