# SPDX-License-Identifier: MIT
"""Several threads in Python at a time: what they share, and what a free-threaded CPython makes of them."""

import sys
import threading
import time

import pytest

import pylibvu
from conftest import HANG
from pylibvu import testing

QUEUES = 3  # 0 is the device's, the others have a worker each
REQUESTS = 200


class Busy(pylibvu.Device):
    """Every queue counts its requests, changes what all share, and leaves some to another thread."""

    device_id = 42
    n_queues = QUEUES
    level = pylibvu.U32()

    def __init__(self):
        super().__init__()
        self.served = [0] * QUEUES
        self.called = []
        self.kept = []
        for index in range(QUEUES):
            self.queue(index)(self.handle)

    def handle(self, req):
        index = req.queue.index
        self.served[index] += 1
        self.level = self.served[index]
        req.write(req.read())
        if self.served[index] % 8 == 0:
            self.call(self.called.append, index)
        if self.served[index] % 3 == 0:
            self.kept.append(req)  # completed by sweep()
        else:
            req.complete()


def sweep(device, end):
    while not end.is_set() or device.kept:
        try:
            device.kept.pop().complete()
        except IndexError:
            time.sleep(0)


def test_handlers_on_several_threads_lose_nothing():
    device, end = Busy(), threading.Event()
    groups = [device.group([index]) for index in range(1, QUEUES)]
    other = threading.Thread(target=sweep, args=(device, end), daemon=True)
    with pylibvu.Worker() as one, pylibvu.Worker() as two:
        one.add(groups[0])
        two.add(groups[1])
        with testing.served(device) as peer:
            other.start()
            queues = [peer.queue(index) for index in range(QUEUES)]
            for number in range(REQUESTS // 10):
                data = bytes([number]) * 8
                added = [(vq, vq.add(data, 8)) for vq in queues for _ in range(10)]
                for vq in queues:
                    vq.kick()
                assert all(vq.wait(a).data == data for vq, a in added)
            assert [device.queues[i].counters()["requests"] for i in range(QUEUES)] == [REQUESTS] * QUEUES
        end.set()
        other.join()
    assert device.served == [REQUESTS] * QUEUES
    assert sorted(device.called) == sorted(list(range(QUEUES)) * (REQUESTS // 8))
    device.close()


def test_no_module_turns_the_global_lock_on_again():
    if not hasattr(sys, "_is_gil_enabled") or sys._is_gil_enabled():
        pytest.skip("this Python has its global lock")
    assert pylibvu.Device and testing.served and not sys._is_gil_enabled()


def test_two_handlers_are_in_python_at_once():
    """One waits for the other without ever letting go of a global lock, had it one."""
    if not hasattr(sys, "_is_gil_enabled") or sys._is_gil_enabled():
        pytest.skip("this Python has its global lock")
    device, met = pylibvu.Device(42, "two", n_queues=3), [False, False]

    def handle(req):
        mine = req.queue.index - 1
        met[mine] = True
        end = time.monotonic() + HANG / 10
        while not met[1 - mine] and time.monotonic() < end:
            pass
        req.write(b"1" if met[1 - mine] else b"0")
        req.complete()

    for index in (1, 2):
        device.queue(index)(handle)
    before = sys.getswitchinterval()
    with pylibvu.Worker() as one, pylibvu.Worker() as two:
        one.add(device.group([1]))
        two.add(device.group([2]))
        with testing.served(device) as peer:
            first, second = peer.queue(1), peer.queue(2)
            added = first.add(writable=1), second.add(writable=1)
            sys.setswitchinterval(HANG)
            try:
                first.kick()
                second.kick()
                assert first.wait(added[0]).data == second.wait(added[1]).data == b"1"
            finally:
                sys.setswitchinterval(before)
    device.close()
