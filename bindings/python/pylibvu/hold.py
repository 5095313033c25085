# SPDX-License-Identifier: MIT
"""Keeping a device or a group for one's own loop, between two calls of process(), too."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator, Union

from ._vu import lib
from .core import Core, Owner
from .device import Device
from .errors import WrongThread, check
from .group import Group


@contextmanager
def hold(what: Union[Device, Group]) -> Iterator[None]:
    """This thread serves a device or a group from here on, and no other until the block ends.

        with pylibvu.hold(group):
            while not end:
                while group.process():
                    pass
                ...

    Meanwhile serve(), runners, workers and close() find it taken, and what the C library does to end a
    group is done on this thread.  WrongThread if another serves it already.
    """
    core, owner = _whose(what)
    if not owner.hold():
        raise WrongThread("another thread serves it")
    try:
        _hold(core, what)
    except BaseException:
        owner.let_go()
        raise
    try:
        yield
    finally:
        if core.ptr is not None:  # else: the end of a child of fork(), to which it does not belong
            _release(core, what)
            owner.let_go()


def _whose(what: Union[Device, Group]) -> tuple[Core, Owner]:
    if isinstance(what, Device):
        what.core.check()
        return what.core, what.core.owner
    if what._own:
        raise ValueError("the device's own group goes with the device: hold that")
    return what._alive(), what.owner


def _hold(core: Core, what: Union[Device, Group]) -> None:
    if isinstance(what, Group):
        check(lib.vu_group_hold(what._ptr), "hold")
    else:
        lib.vu_device_hold(core.ptr)


def _release(core: Core, what: Union[Device, Group]) -> None:
    if isinstance(what, Group):
        check(lib.vu_group_release(what._ptr), "the end of hold")
    else:
        lib.vu_device_release(core.ptr)
