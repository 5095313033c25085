# SPDX-License-Identifier: MIT
"""Workers: threads of libvu's that serve groups of several devices."""

import gc
import sys
import threading

import pytest

import pylibvu
from conftest import HANG
from pylibvu import testing


class Two(pylibvu.Device):
    """Queue 1 says which thread serves it."""

    device_id = 42
    n_queues = 2

    def __init__(self, name="two"):
        super().__init__(name=name)
        self.threads = set()

    @pylibvu.queue(0)
    def plain(self, req):
        req.write(b"0")
        req.complete()

    @pylibvu.queue(1)
    def in_group(self, req):
        self.threads.add(threading.get_ident())
        req.write(b"1")
        req.complete()


def ask(device):
    with testing.served(device) as peer:
        for _ in range(10):
            assert peer.queue(0).request(writable=1) == b"0"
            assert peer.queue(1).request(writable=1) == b"1"


def test_one_worker_serves_groups_of_several_devices():
    devices = [Two("one"), Two("two"), Two("three")]
    with pylibvu.Worker() as worker:
        for device in devices:
            worker.add(device.group([1]))
        assert len(worker.groups) == 3
        for _ in range(2):
            for device in devices:
                ask(device)
    assert len(set().union(*(device.threads for device in devices))) == 1
    assert threading.get_ident() not in devices[0].threads
    for device in devices:
        device.close()


def test_a_group_goes_from_worker_to_worker_and_to_serve():
    device = Two()
    group = device.group([1])
    with pylibvu.Worker(poll=0.001) as first, pylibvu.Worker() as second:
        first.add(group)
        with pytest.raises(pylibvu.WrongThread):
            second.add(group)
        with pytest.raises(pylibvu.WrongThread):
            group.process()
        ask(device)
        first.remove(group)
        with pytest.raises(ValueError):
            first.remove(group)
        second.add(group)
        ask(device)
        assert len(device.threads) == 2
    device.threads.clear()
    ask(device)  # a runner's own, which may have the number of one that is gone
    assert len(device.threads) == 1 and threading.get_ident() not in device.threads
    device.close()


def test_closing_a_device_takes_its_group_from_the_worker():
    device, other = Two("gone"), Two("stays")
    with pylibvu.Worker() as worker:
        worker.add(device.group([1]))
        worker.add(other.group([1]))
        ask(device)
        device.close()
        assert len(worker.groups) == 1
        ask(other)
    other.close()


def test_a_worker_keeps_what_it_serves():
    with pylibvu.Worker() as worker:
        device = Two()
        worker.add(device.group([1]))
        del device
        gc.collect()
        device = next(iter(worker._served.values()))[1]
        ask(device)
    device.close()


def test_close_does_not_free_the_worker_under_a_remove(monkeypatch):
    inside, freed, order = threading.Event(), threading.Event(), []

    class Slow:
        def __getattr__(self, name):
            return getattr(lib, name)

        def vu_worker_remove_group(self, *args):
            inside.set()
            freed.wait(0.5)  # what must not come: the right order does not depend on how long
            order.append("removed")
            return lib.vu_worker_remove_group(*args) if not freed.is_set() else 0

        def vu_worker_free(self, *args):
            order.append("freed")
            freed.set()
            lib.vu_worker_free(*args)

    device, worker, lib = Two(), pylibvu.Worker(), sys.modules["pylibvu.worker"].lib
    group = device.group([1])
    worker.add(group)
    monkeypatch.setattr(sys.modules["pylibvu.worker"], "lib", Slow())
    thread = threading.Thread(target=worker.remove, args=(group,))
    thread.start()
    assert inside.wait(HANG)
    worker.close()
    thread.join()
    assert order == ["removed", "freed"]
    with pylibvu.Worker() as another:  # nobody has the group's lock
        another.add(group)
    device.close()


def test_misuse_is_an_error():
    device = Two()
    worker, errors = pylibvu.Worker(), []
    group = device.group([1])

    def in_callback():
        for use in (worker.close, device.close, lambda: worker.remove(group)):
            try:
                use()
            except (RuntimeError, OSError) as error:
                errors.append(error)
        done.set()

    done = threading.Event()
    with pytest.raises(ValueError):
        worker.add(device.own_group)
    worker.add(group)
    group.call(in_callback)
    assert done.wait(HANG)
    assert len(errors) == 3
    worker.close()
    worker.close()
    with pytest.raises(pylibvu.DeviceClosed):
        worker.add(group)
    with pytest.raises(OSError):
        pylibvu.Worker(cpu=100000)
    device.close()
    with pylibvu.Worker() as another, pytest.raises(pylibvu.DeviceClosed):
        another.add(group)
