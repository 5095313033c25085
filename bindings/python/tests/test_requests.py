# SPDX-License-Identifier: MIT
"""Requests: reading, writing, views, completing, failing."""

import logging
import threading
import time

import pytest

import pylibvu
from conftest import Echo, make
from pylibvu import testing


def test_a_request_is_answered(echo):
    with testing.served(echo) as peer:
        assert peer.queue(0).request(b"hello", 16) == b"hello"


def test_pieces_of_any_length_read_as_one(echo):
    with testing.served(echo) as peer:
        sent = [bytes([n]) * n for n in range(1, 9)]
        assert peer.queue(0).request(sent, [1, 3, 60]) == b"".join(sent)


def test_read_goes_on_where_it_ended_and_unpack_checks_the_length():
    seen = []

    def handler(req):
        seen.append((req.unpack("<HB"), req.read(2), req.read(at=1), req.read(9, at=5)))
        with pytest.raises(pylibvu.ShortRequest):
            req.unpack("<Q", at=0)
        req.complete()

    with testing.served(make(handler)) as peer:
        peer.queue(0).request(b"\x01\x02\x03abc", 1)
    assert seen == [((0x201, 3), b"ab", b"\x02\x03abc", b"c")]


def test_write_appends_and_completes_with_the_highest_position():
    def handler(req):
        req.write(b"ab")
        req.write(b"cd")
        req.write(b"Z", at=0)
        req.complete()

    with testing.served(make(handler)) as peer:
        assert peer.queue(0).request(writable=[3, 5]) == b"Zbcd"


def test_what_does_not_fit_is_not_written_at_all():
    def handler(req):
        with pytest.raises(pylibvu.ShortRequest):
            req.write(b"12345")
        with pytest.raises(ValueError):
            req.write(b"1", at=4)
        req.complete(4)

    with testing.served(make(handler)) as peer:
        assert peer.queue(0).request(writable=4) == bytes(4)


def test_views_are_the_guests_memory():
    def handler(req):
        assert [bytes(v) for v in req.readable] == [b"ab", b"c"]
        assert all(v.readonly for v in req.readable)
        for view in req.writable:
            view[:] = b"x" * len(view)
        req.complete(7)

    with testing.served(make(handler)) as peer:
        assert peer.queue(0).request([b"ab", b"c"], [3, 4]) == b"xxxxxxx"


def test_a_range_of_the_views():
    def handler(req):
        parts = req.views(True, 2, 3)
        assert [len(p) for p in parts] == [1, 2]
        parts[0][:] = b"1"
        parts[1][:] = b"23"
        assert req.views(True, 7, 0) == ()
        with pytest.raises(pylibvu.ShortRequest):
            req.views(True, 2, 6)
        req.complete(7)

    with testing.served(make(handler)) as peer:
        assert peer.queue(0).request(writable=[3, 4]) == b"\0\x00123\0\0"


def test_progress_survives_a_put_back():
    class Device(pylibvu.Device):
        id = 42
        seen = []

        @pylibvu.queue(0, pull=True)
        def pull(self, queue):
            req = queue.next()
            if req is None:
                return
            self.seen.append(req.progress)
            if len(self.seen) < 3:
                req.progress = req.progress + 2
                with pytest.raises(ValueError):
                    req.progress = 6
                req.put_back()
                self.pull(queue)
            else:
                req.complete()

    with testing.served(Device()) as peer:
        peer.queue(0).request(b"abcde")
    assert Device.seen == [0, 2, 4]


def test_with_completes():
    def handler(req):
        with req:
            req.write(b"done")

    with testing.served(make(handler)) as peer:
        assert peer.queue(0).request(writable=9) == b"done"


def test_with_fails_the_request_when_its_block_raises(caplog):
    class Device(Echo):
        def failed(self, req, error):
            req.write(b"E:" + str(error).encode(), at=0)
            req.complete()

        def echo(self, req):
            with req:
                raise LookupError("lost")

    with testing.served(Device()) as peer:
        assert peer.queue(0).request(b"x", 16) == b"E:lost"
    assert "LookupError: lost" in caplog.text and "Traceback" in caplog.text


def test_an_exception_fails_that_request_and_not_the_process(caplog):
    def handler(req):
        if req.read(1) == b"!":
            raise ZeroDivisionError("this one")
        req.write(b"fine")
        req.complete()

    with testing.served(make(handler)) as peer:
        vq = peer.queue(0)
        assert vq.request(b"!", 8) == b""
        assert vq.request(b"?", 8) == b"fine"
    assert "ZeroDivisionError: this one" in caplog.text
    assert "dut: queue 0: handler" in caplog.text


@pytest.mark.parametrize("batch", [False, True], ids=["one", "batch"])
def test_faults_that_a_guest_causes_in_turn_are_logged_within_a_limit(batch, caplog):
    def handler(given):
        for req in given if batch else [given]:
            raise KeyError("even") if req.read(1) == b"0" else IndexError("odd")

    began = time.monotonic()
    with testing.served(make(handler, batch=batch)) as peer:
        vq = peer.queue(0)
        for n in range(2000):
            assert vq.request(b"%d" % (n % 2), 8) == b""
    limit = 20 + time.monotonic() - began + 1
    records = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert {r.exc_info[0] for r in records} == {KeyError, IndexError}
    assert 20 <= len(records) <= limit
    assert "lines left out)" in caplog.text


def test_long_requests_are_logged_within_a_limit(caplog):
    class Careful(Echo):
        max_bytes = 4

    began = time.monotonic()
    with testing.served(Careful()) as peer:
        vq = peer.queue(0)
        for _ in range(1000):
            assert vq.request(b"12345", 8) == b""
    limit = 20 + time.monotonic() - began + 1
    assert 20 <= sum("max_bytes" in r.message for r in caplog.records) <= limit


def test_many_requests_at_once_all_come_back(echo):
    with testing.served(echo) as peer:
        vq = peer.queue(0, size=256)
        added = [vq.add(b"%d" % n, 8) for n in range(128)]
        vq.kick()
        for n, one in enumerate(added):
            assert vq.wait(one).data == b"%d" % n


def test_batches():
    sizes = []

    def handler(reqs):
        sizes.append(len(reqs))
        for req in reqs:
            req.write(req.read())
        reqs[0].queue.complete(reqs)

    device = make(handler, batch=True)
    with testing.served(device) as peer:
        vq = peer.queue(0, size=256)
        added = [vq.add(b"%d" % n, 8) for n in range(100)]
        vq.kick()
        assert [vq.wait(one).data for one in added] == [b"%d" % n for n in range(100)]
    assert max(sizes) > 1 and sum(sizes) == 100


def test_a_batch_with_one_bad_request_completes_none():
    results = []

    def handler(reqs):
        with pytest.raises(ValueError):
            reqs[0].queue.complete(reqs, [1] * (len(reqs) - 1) + [99])
        results.append([req.done for req in reqs])
        reqs[0].queue.complete(reqs, [0] * len(reqs))

    with testing.served(make(handler, batch=True)) as peer:
        assert peer.queue(0).request(writable=4) == b""
    assert results == [[False]]


def test_completion_from_another_thread():
    def handler(req):
        def work():
            req.write(req.read().upper())
            req.complete()
        threading.Thread(target=work).start()

    with testing.served(make(handler)) as peer:
        vq = peer.queue(0)
        for _ in range(50):
            assert vq.request(b"quiet", 8) == b"QUIET"


def test_a_queue_that_is_pulled_from():
    def handler(queue):
        for req in queue:
            req.write(b"pulled")
            req.complete()

    with testing.served(make(handler, pull=True)) as peer:
        assert peer.queue(0).request(writable=8) == b"pulled"


def test_requests_left_in_the_ring_are_taken_when_they_are_wanted():
    device = pylibvu.Device(18, "input", n_queues=2)

    def event(data):
        req = device.queues[0].next()
        with req:
            req.write(data)

    with testing.served(device) as peer:
        vq = peer.queue(0)
        added = vq.add(writable=8)
        vq.kick()
        device.call(event, b"12345678")
        assert vq.wait(added).data == b"12345678"


def test_a_request_that_is_put_back_comes_again():
    calls = []

    def handler(queue):
        req = queue.next()
        calls.append(req.read())
        if len(calls) == 1:
            req.put_back()
            assert req.done
            again = queue.next()
            again.write(b"second")
            again.complete()
        else:
            req.complete()

    with testing.served(make(handler, pull=True)) as peer:
        assert peer.queue(0).request(b"x", 8) == b"second"
    assert calls == [b"x"]


def test_a_driver_that_writes_garbage_into_the_ring_breaks_only_the_queue(echo, caplog):
    caplog.set_level(logging.ERROR)
    with testing.served(echo) as peer:
        vq = peer.queue(0)
        vq.offer_nonsense()
        vq.kick(anyway=True)
        with pytest.raises(testing.PeerError):
            vq.wait(timeout=0.2)
        assert peer.queue_num() == 2
    assert "queue 0" in caplog.text


@pytest.mark.parametrize("options", [{}, {"batch": True}, {"pull": True}],
                         ids=["one", "batch", "pull"])
def test_a_request_beyond_max_bytes_fails_before_a_handler_sees_it(options, caplog):
    seen, failed = [], []

    def handler(given):
        for req in [given] if isinstance(given, pylibvu.Request) else given:
            seen.append((req.readable_len, req.writable_len))
            req.write(b"ok")
            req.complete()

    class Careful(pylibvu.Device):
        max_bytes = 4096

        def failed(self, req, error):
            failed.append(error)
            req.write(b"no", at=req.writable_len - 2)
            req.complete()

    device = Careful(42, "careful")
    device.queue(0, **options)(handler)
    with testing.served(device) as peer:
        vq = peer.queue(0)
        long = [vq.add(bytes(97), 4000), vq.add(bytes(5000), 2), vq.add(bytes(96), 4000)]
        vq.kick()
        assert [vq.wait(one).data[-2:] for one in long] == [b"no", b"no", b"ok"]
    assert seen == [(96, 4000)]
    assert [type(error) for error in failed] == [pylibvu.LongRequest] * 2
    assert "queue 0: a request of 4097 bytes fails: max_bytes is 4096" in caplog.text


def test_overlapping_buffers_cannot_make_a_request_larger_than_the_default_limit():
    lengths = []
    device = make(lambda req: lengths.append(req.writable_len) or req.complete(req.writable_len))
    with testing.served(device, memory=8 << 20) as peer:
        vq = peer.queue(0)
        same = peer.memory.allocate(1 << 20)
        peer.memory.allocate = lambda size: same
        for pieces in (15, 17):
            added = vq.add(writable=[1 << 20] * pieces)
            vq.kick()
            assert vq.wait(added).written == (15 << 20 if pieces == 15 else 0)
    assert lengths == [15 << 20]


def test_counters_count(echo):
    with testing.served(echo) as peer:
        peer.queue(0).request(b"12345", 9)
    counters = echo.queues[0].counters()
    assert (counters["requests"], counters["readable_bytes"], counters["written_bytes"]) == \
        (1, 5, 5)
