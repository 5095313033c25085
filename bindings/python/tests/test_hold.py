# SPDX-License-Identifier: MIT
"""hold(): a thread of the program's own that serves a device, or a group, and is not surprised."""

import contextlib
import errno
import os
import select
import threading

import pytest

import pylibvu
from conftest import HANG
from pylibvu import testing
from pylibvu._vu import lib
from test_worker import Two, ask


class Loop:
    """A thread that holds a group and serves it until the end."""

    def __init__(self, group):
        self.group, self.end, self.began = group, False, threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        with pylibvu.hold(self.group):
            self.began.set()
            while not self.end:
                while self.group.process():
                    pass
                if not self.end and self.group.arm():
                    select.select([self.group], [], [])

    def __enter__(self):
        self.thread.start()
        assert self.began.wait(HANG)
        return self

    def __exit__(self, *_):
        self.end = True
        self.group.wake()
        self.thread.join()


def test_a_group_is_served_by_the_thread_that_holds_it_and_by_a_runner_after_that():
    device = Two()
    group = device.group([1])
    with Loop(group) as loop:
        for _ in range(2):
            ask(device)
        assert device.threads == {loop.thread.ident}
    device.threads.clear()
    ask(device)
    # by another, as that one has ended; its number may have gone to this one
    assert len(device.threads) == 1 and not loop.thread.is_alive()
    device.close()


def test_a_held_group_is_taken_for_everybody_else():
    device = Two()
    group = device.group([1])
    with Loop(group), pylibvu.Worker() as worker:
        for use in (lambda: worker.add(group), group.process, group.arm, device.close):
            with pytest.raises(pylibvu.WrongThread):
                use()
        with pytest.raises(pylibvu.WrongThread), pylibvu.hold(group):
            pass
        ask(device)
    with pylibvu.Worker() as worker:
        worker.add(group)
        with pytest.raises(pylibvu.WrongThread), pylibvu.hold(group):
            pass
    device.close()


def test_who_holds_a_device_processes_it_and_nobody_serves_or_closes_it():
    device = Two()
    others = []

    def other():
        for use in (device.process, device.close):
            try:
                use()
            except pylibvu.WrongThread as error:
                others.append(error)

    with pylibvu.hold(device):
        device.process()
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert len(others) == 2
        with pytest.raises(pylibvu.WrongThread), testing.served(device):
            pass
        with pytest.raises(pylibvu.WrongThread), pylibvu.hold(device):
            pass
        with pytest.raises(pylibvu.WrongThread):
            device.close()
    ask(device)
    device.close()
    with pytest.raises(pylibvu.DeviceClosed), pylibvu.hold(device):
        pass


def test_the_c_library_frees_nothing_that_is_held():
    device = Two()
    group = device.group([1])
    with pylibvu.hold(device), pylibvu.hold(group):
        assert lib.vu_group_hold(group._ptr) == -errno.EBUSY
        lib.vu_device_free(device.core.ptr)  # which C code might do; the log says that it did not
    assert lib.vu_group_release(group._ptr) == -errno.EINVAL
    ask(device)
    device.close()


def test_an_exception_lets_go():
    device = Two()
    group = device.group([1])
    for what in (device, group):
        with pytest.raises(KeyError), pylibvu.hold(what):
            raise KeyError
    with pytest.raises(ValueError), pylibvu.hold(device.own_group):
        pass
    ask(device)
    device.close()


def test_a_child_of_fork_holds_nothing():
    device = Two()
    group = device.group([1])
    with pylibvu.hold(device), pylibvu.hold(group):
        pid = os.fork()
        if pid:
            assert os.waitpid(pid, 0)[1] == 0
            group.process()
    if pid == 0:  # no mistake until here
        os._exit(_ways_to_hold(device, group))
    ask(device)
    device.close()


def _ways_to_hold(*parents):
    """In the child: how many of its parent's things can be held."""
    count = 0
    for what in parents:
        with contextlib.suppress(pylibvu.DeviceClosed), pylibvu.hold(what):
            count += 1
    return count
