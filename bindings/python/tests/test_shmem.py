# SPDX-License-Identifier: MIT
"""Shared memory regions: a device in Python maps, the test peer is the front-end."""

import errno
import mmap
import os
import queue
import struct

import pytest

import pylibvu
from conftest import HANG
from pylibvu import Device, testing

PAGE = mmap.PAGESIZE


class Window(Device):
    device_id = 42
    n_queues = 1
    shmem = {0: 16 * PAGE, 3: 16 * PAGE}

    def __init__(self):
        super().__init__()
        self.events = queue.Queue()

    def started(self):
        self.events.put("started")

    def shmem_lost(self):
        self.events.put("lost")


@pytest.fixture
def file():
    fd = os.memfd_create("window")
    os.ftruncate(fd, 8 * PAGE)
    yield fd
    os.close(fd)


def test_the_guest_sees_what_is_mapped(file):
    device = Window()
    with testing.served(device) as peer:
        assert peer.shmem_regions() == {0: 16 * PAGE, 3: 16 * PAGE}
        peer.queue(0)
        assert device.events.get(timeout=HANG) == "started"
        device.map_shmem(3, 2 * PAGE, file, 4 * PAGE, fd_offset=PAGE, done=device.events.put)
        asked = peer.asked()
        assert asked.request == testing.BACKEND_SHMEM_MAP
        assert asked.mapping() == (3, PAGE, 2 * PAGE, 4 * PAGE, 1)
        assert device.events.get(timeout=HANG) is None
        os.pwrite(file, b"hello", PAGE)
        with mmap.mmap(asked.fds[0], 4 * PAGE, offset=PAGE) as window:
            assert window[:5] == b"hello"
        os.close(asked.fds[0])
        with pytest.raises(FileExistsError):
            device.map_shmem(3, 5 * PAGE, file, PAGE)
        device.unmap_shmem(3, 2 * PAGE, done=device.events.put)
        assert peer.asked(answer=1).request == testing.BACKEND_SHMEM_UNMAP
        assert device.events.get(timeout=HANG).errno == errno.EREMOTEIO
        device.map_shmem(0, 0, file, PAGE)
        os.close(peer.asked().fds[0])
    assert device.events.get(timeout=HANG) == "lost"
    device.close()


def test_what_cannot_be_mapped_is_an_error(file):
    device = Window()
    with pytest.raises(OSError):
        device.map_shmem(1, 0, file, PAGE)
    with pytest.raises(OSError):
        device.map_shmem(0, 0, file, 9 * PAGE)
    with pytest.raises(FileNotFoundError):
        device.unmap_shmem(0, 0)
    device.map_shmem(0, 0, file, PAGE, done=device.events.put)
    device.process()
    assert device.events.get(timeout=HANG).errno == errno.ENOTCONN
    device.close()


def test_a_queue_with_a_host_notifier_is_served_without_kicks(file):
    class Doorbell(Device):
        device_id = 42
        host_notifiers = True
        events = queue.Queue()

        def started(self):
            self.events.put("started")

        @pylibvu.queue(0)
        def requests(self, req):
            req.write(b"x")
            req.complete()

    device = Doorbell()
    with testing.served(device) as peer:
        vq = peer.queue(0)
        assert device.events.get(timeout=HANG) == "started"
        device.queues[0].set_host_notifier(file, PAGE, done=device.events.put)
        asked = peer.asked()
        assert asked.request == testing.BACKEND_HOST_NOTIFIER
        assert struct.unpack("<QQQ", asked.payload) == (0, PAGE, PAGE)
        os.close(asked.fds[0])
        assert device.events.get(timeout=HANG) is None
        assert vq.wait(vq.add(writable=1)).data == b"x"
        device.queues[0].set_host_notifier(None)
        assert peer.asked().payload[:8] == struct.pack("<Q", 256)
    device.close()


def test_postcopy_is_offered_if_the_kernel_allows():
    class Movable(Device):
        device_id = 42
        n_queues = 1
        postcopy = True

    try:
        device = Movable()
        device.core
    except PermissionError as error:
        pytest.skip(str(error))
    with testing.served(device) as peer:
        features = struct.unpack("<Q", peer.ask(testing.GET_PROTOCOL_FEATURES))[0]
        assert features >> 8 & 1
    device.close()


def test_regions_that_are_no_power_of_two_are_refused():
    class Bad(Device):
        device_id = 42
        n_queues = 1
        shmem = {0: 3 * PAGE}

    with pytest.raises(ValueError, match="shared memory"):
        Bad().core
