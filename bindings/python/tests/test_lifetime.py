# SPDX-License-Identifier: MIT
"""Nothing leaks, and objects may go in any order."""

import gc
import itertools
import os
import pathlib
import sys

import pytest

import pylibvu
from conftest import Echo, guest_mappings, make, open_fds
from pylibvu import testing

COUNT = int(os.environ.get("PYLIBVU_REQUESTS", "100000"))


@pytest.fixture(autouse=True)
def _quick_collector():
    """What other tests and pytest keep need not be looked at again and again."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def resident():
    gc.collect()
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def pour(vq, count, writable=64):
    """`count` requests, as many at a time as the ring takes."""
    done = 0
    while done < count:
        batch = [vq.add(b"x" * 16, writable) for _ in range(100)]
        vq.kick()
        for added in batch:
            vq.wait(added)
        done += len(batch)


def test_100k_requests_leak_nothing():
    def handler(req):
        view = req.writable[0]
        view[:4] = req.readable[0][:4]
        del view
        req.complete(4)

    with testing.served(make(handler)) as peer:
        vq = peer.queue(0, size=256)
        pour(vq, COUNT // 10)
        before, objects = resident(), len(gc.get_objects())
        pour(vq, COUNT)
        grown, more = resident() - before, len(gc.get_objects()) - objects
    assert more < 200, f"{more} objects more"
    assert grown < 8192 or "libasan" in os.environ.get("LD_PRELOAD", ""), f"{grown} KiB more"


def test_connections_leak_no_descriptor_and_no_mapping():
    device = Echo()

    def cycle():
        with testing.served(device) as peer:
            assert peer.queue(0).request(b"1", 1) == b"1"

    cycle()
    before = open_fds(), guest_mappings()
    for _ in range(100):
        cycle()
    assert (open_fds(), guest_mappings()) == before


def test_devices_leak_nothing():
    def cycle():
        device = Echo()
        device.group([1])
        device.timer(print).start(1000)
        with testing.served(device) as peer:
            peer.queue(0).request(b"1", 1)

    cycle()
    before = open_fds(), guest_mappings()
    for _ in range(50):
        cycle()
    assert (open_fds(), guest_mappings()) == before


def test_a_device_goes_with_its_last_reference_without_the_collector():
    gc.collect()
    gc.disable()
    try:
        before = len(os.listdir("/proc/self/fd"))
        device = Echo()
        device.fileno()
        assert len(os.listdir("/proc/self/fd")) > before
        del device
        assert len(os.listdir("/proc/self/fd")) == before
    finally:
        gc.enable()


@pytest.mark.parametrize("order", list(itertools.permutations(range(5))))
def test_objects_may_go_in_any_order(order, caplog):
    kept = []
    device = make(kept.append)
    with testing.served(device) as peer:
        vq = peer.queue(0)
        vq.add(b"abc", 4)
        vq.kick()
        while not kept:
            pass
    req = kept.pop()
    things = [device, device.queues[0], req, req.writable[0], device.timer(print)]
    del device, req, peer, vq
    for index in order:
        things[index] = None
        gc.collect()
    assert sys.exc_info() == (None, None, None)
    assert "was dropped" in caplog.text  # the request, whenever that was


def test_a_cycle_with_everything_in_it_is_collected():
    class Keeper(pylibvu.Device):
        device_id = 42

        @pylibvu.queue(0)
        def keep(self, req):
            self.kept = [req, self, req.readable]

    gc.collect()
    before = open_fds(), guest_mappings()
    for _ in range(20):
        device = Keeper()
        device.again = device
        device.clock = device.timer(lambda d=device: d)
        with testing.served(device) as peer:
            vq = peer.queue(0)
            vq.add(b"abc", 4)
            vq.kick()
            while not hasattr(device, "kept"):
                pass
        del device, peer, vq
    assert (open_fds(), guest_mappings()) == before


def test_a_front_end_that_goes_with_requests_outstanding():
    kept = []
    device = make(kept.append)
    for _ in range(20):
        with testing.served(device) as peer:
            vq = peer.queue(0)
            for _ in range(10):
                vq.add(b"abc", 4)
            vq.kick()
            while len(kept) < 10:
                pass
        while kept:
            kept.pop().complete(0)
    while device.process():
        pass
    assert device.queues[0].outstanding() == 0
