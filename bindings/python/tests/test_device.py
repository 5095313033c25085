# SPDX-License-Identifier: MIT
"""What a device declares: features, fields, hooks; timers, watches and calls."""

import os
import select
import threading

import pytest

import pylibvu
from conftest import HANG, Echo, make
from pylibvu import testing


class Disk(pylibvu.Device):
    device_id = 2
    ro = pylibvu.Feature(5)
    flush = pylibvu.Feature(9, required=True)
    discard = pylibvu.Feature(13, offered=False)

    capacity = pylibvu.U64(default=8)
    size_max = pylibvu.U32()
    serial = pylibvu.Bytes(4, default=b"abcd")
    wce = pylibvu.U8(offset=32, default=1, writable=True)
    ticks = pylibvu.U16()

    def __init__(self):
        super().__init__()
        self.seen = []

    @wce.written
    def wce_written(self, value):
        self.seen.append(value)

    @ticks.reader
    def now(self):
        return 0x1234

    @pylibvu.queue(0)
    def requests(self, req):
        req.complete()


def test_fields_lie_where_they_should():
    disk = Disk()
    assert (Disk.capacity.offset, Disk.size_max.offset, Disk.serial.offset) == (0, 8, 12)
    assert (Disk.wce.offset, Disk.ticks.offset, len(disk.config)) == (32, 33, 35)


def test_the_driver_reads_fields():
    with testing.served(Disk()) as peer:
        assert peer.config(0, 16) == bytes([8] + [0] * 11) + b"abcd"
        assert peer.config(33, 2) == b"\x34\x12"


def test_an_assignment_notifies_the_driver_if_it_changes_something():
    disk = Disk()
    with testing.served(disk) as peer:
        peer.queue(0)
        disk.capacity = 8
        assert not peer.config_changed(0.05)
        disk.capacity = 99
        assert peer.config_changed(2)
        assert peer.config(0, 1) == b"\x63"
        assert disk.capacity == 99


def test_fields_before_serving_and_values_that_do_not_fit():
    disk = Disk()
    disk.capacity = 1 << 40
    assert disk.capacity == 1 << 40
    for field, value in (("wce", 256), ("serial", b"12345"), ("capacity", -1)):
        with pytest.raises(ValueError):
            setattr(disk, field, value)


def test_a_write_of_the_drivers_calls_its_field():
    disk = Disk()
    with testing.served(disk) as peer:
        peer.set_config(32, b"\0")
        assert disk.wce == 0
        with pytest.raises(testing.PeerError):
            peer.set_config(0, b"\1")
    assert disk.seen == [0]


def test_features_are_offered_and_read_back():
    disk = Disk()
    disk.ro = False
    assert disk.flush and not disk.ro and not disk.discard
    with testing.served(disk) as peer:
        assert peer.offered >> 9 & 1 and not peer.offered >> 5 & 1 and not peer.offered >> 13 & 1
        peer.queue(0)
        assert disk.flush is True and disk.ro is False
    with pytest.raises(AttributeError):
        disk.ro = True


def test_a_required_feature_that_is_not_accepted_stops_the_device():
    with pytest.raises(testing.PeerError):
        with testing.served(Disk(), features=1 << 32 | 1 << 30) as peer:
            peer.queue(0)


def test_a_selector_by_config_read():
    class Input(pylibvu.Device):
        device_id = 18
        select = pylibvu.U8(writable=True)
        rest = pylibvu.Bytes(7)

        def config_read(self, offset, length):
            data = (bytes([self.select]) * 2 + b"yes")[offset:] if self.select == 7 else b""
            return data[:length]

    with testing.served(Input()) as peer:
        assert peer.config(0, 8) == bytes(8)
        peer.set_config(0, b"\7")
        assert peer.config(0, 8) == b"\7\7yes\0\0\0"


def test_hooks_come_in_order():
    calls = []

    class Device(Echo):
        def session_begin(self):
            calls.append("begin")

        def started(self):
            calls.append("started")

        def stopped(self):
            calls.append("stopped")

        def queue_stop(self, queue):
            calls.append(f"stop {queue.index}")

        def session_end(self, why):
            calls.append(f"end {why}")

    with testing.served(Device()) as peer:
        peer.queue(0).request(b"1", 1)
        peer.queue(0).stop()
    assert calls == ["begin", "started", "stop 0", "stopped", "end 0"]


def test_a_device_that_refuses_a_session_ends_it(caplog):
    class Shy(Echo):
        def session_begin(self):
            raise pylibvu.Refused("not today")

    import socket

    ours, theirs = socket.socketpair()
    device = Shy()
    with pytest.raises(OSError):
        device.attach(theirs)
    assert "not today" in caplog.text and "Traceback" not in caplog.text
    ours.close()
    theirs.close()


def test_an_exception_in_a_hook_is_logged_with_its_traceback(caplog):
    class Broken(Echo):
        def started(self):
            raise RuntimeError("no power")

    with pytest.raises(testing.PeerError):
        with testing.served(Broken()) as peer:
            peer.queue(0).request(b"1", 1, timeout=1)
    assert "no power" in caplog.text and "Traceback" in caplog.text


def test_a_stopped_queue_starts_where_it_was(echo):
    with testing.served(echo) as peer:
        vq = peer.queue(0)
        assert vq.request(b"1", 1) == b"1"
        base = vq.stop()
        assert base == 1
        vq.start(base)
        assert vq.request(b"2", 1) == b"2"


def test_timers_watches_and_calls_run_on_the_device_thread():
    device = make(lambda req: req.complete())
    r, w = os.pipe()
    seen, done = [], threading.Event()

    def tick():
        seen.append(("tick", threading.current_thread().name))
        if len(seen) >= 4:
            timer.stop()
            done.set()

    def readable(events):
        seen.append((os.read(r, 9), bool(events & select.EPOLLIN)))
        watch.close()

    timer = device.timer(tick)
    watch = device.watch(r, select.EPOLLIN, readable)
    with testing.served(device):
        os.write(w, b"hi")
        device.call(timer.start, 0.005, 0.005)
        assert done.wait(HANG)
    assert (b"hi", True) in seen and ("tick", "pylibvu-served") in seen
    for fd in (r, w):
        os.close(fd)


def test_groups_run_on_threads_of_their_own():
    names = {}
    device = pylibvu.Device(42, "two", n_queues=2)

    def handler(req):
        names[req.queue.index] = threading.get_ident()
        req.write(b"ok")
        req.complete()

    device.queue(0)(handler)
    device.queue(1)(handler)
    device.group([1])
    with testing.served(device) as peer:
        for _ in range(20):
            assert peer.queue(0).request(writable=2) == b"ok"
            assert peer.queue(1).request(writable=2) == b"ok"
    assert len(names) == 2 and names[0] != names[1]


def test_a_group_served_by_a_loop_of_ones_own():
    device = make(lambda req: req.complete())
    group = device.group([0])
    end = threading.Event()

    def loop():
        while not end.is_set():
            while group.process():
                pass
            if group.arm():
                select.select([group], [], [])

    def control():
        while not end.is_set():
            select.select([device], [], [], 0.05)
            while device.process():
                pass

    import socket

    ours, theirs = socket.socketpair()
    device.attach(theirs)
    threads = [threading.Thread(target=f) for f in (loop, control)]
    for thread in threads:
        thread.start()
    try:
        with testing.Peer(ours) as peer:
            assert peer.queue(0).request(writable=2) == b""
    finally:
        end.set()
        group.wake()
        for thread in threads:
            thread.join()
    assert group.activity() > 0
    device.close()


def test_a_stopping_queue_waits_until_its_requests_are_finished():
    answers = []

    class Slow(pylibvu.Device):
        device_id = 42
        kept = None

        @pylibvu.queue(0)
        def keep(self, req):
            self.kept = req

        def queue_stop(self, queue):
            req, self.kept = self.kept, None
            answers.append(req.leave())  # this front-end keeps no log of requests in flight
            req.write(b"late")
            req.complete()

    with testing.served(Slow()) as peer:
        vq = peer.queue(0)
        added = vq.add(writable=4)
        vq.kick()
        with pytest.raises(testing.PeerError):
            vq.wait(added, timeout=0.05)
        assert vq.stop() == 1
        assert vq.wait(added).data == b"late"
    assert answers == [False]


def test_the_config_space_as_bytes():
    device = pylibvu.Device(42, config=b"abcdef", config_writable=b"\0\xff")
    device.config[2:4] = b"XY"
    with testing.served(device) as peer:
        assert peer.config(0, 6) == b"abXYef"
        peer.set_config(1, b"!")
        assert device.config[1] == b"!" and device.config[:] == b"a!XYef"
        device.config[0] = b"Z"
        assert peer.config(0, 2) == b"Z!"
        with pytest.raises(ValueError):
            device.config[0:2] = b"123"
        with pytest.raises(IndexError):
            device.config[6]
