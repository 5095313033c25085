# SPDX-License-Identifier: MIT
"""What the test peer has of C: both layouts of rings, EVENT_IDX, logs of a crash's and a migration's, acks."""

import select
import socket
import struct
import threading
import time

import pylibvu
import pytest
from conftest import HANG, Echo
from pylibvu import testing

LAYOUTS = pytest.mark.parametrize("packed", [False, True], ids=["split", "packed"])
SET_VRING_ENABLE = 18


class Keeper(pylibvu.Device):
    """Queue 0 keeps what it gets until queue 1 is asked, or leaves it in the log."""

    device_id = 42
    n_queues = 2

    def __init__(self):
        super().__init__()
        self.kept, self.again = [], 0

    @pylibvu.queue(0)
    def keep(self, req):
        self.again += req.resubmitted
        self.kept.append(req)

    @pylibvu.queue(1)
    def release(self, req):
        for kept in self.kept:
            kept.write(kept.read().upper())
            kept.complete()
        self.kept.clear()
        req.complete()

    def queue_stop(self, queue):
        while queue.index == 0 and self.kept:
            self.kept.pop().leave()


@LAYOUTS
def test_requests_of_any_shape(echo, packed):
    with testing.served(echo, packed=packed, indirect=8) as peer:
        assert peer.features >> 34 & 1 == packed
        vq = peer.queue(0)
        for _ in range(200):
            assert vq.request([b"he", b"l", b"lo"], [1, 1, 6]) == b"hello"
        added = [vq.add(b"%d" % i * 3, 8, indirect=i % 2) for i in range(9)]
        vq.kick()
        assert [vq.wait(one).data for one in added] == [b"%d" % i * 3 for i in range(9)]


@LAYOUTS
def test_a_ring_that_is_full_says_so_and_goes_on(echo, packed):
    with testing.served(echo, packed=packed) as peer:
        vq = peer.queue(1, size=8)
        for _ in range(4):
            vq.add(b"x", 1)
        with pytest.raises(testing.PeerError, match="no descriptors left"):
            vq.add(b"x", 1)
        assert peer.queue(0).request(b"x", 1) == b"x"


@LAYOUTS
def test_a_ring_goes_on_where_it_was_stopped(echo, packed):
    with testing.served(echo, packed=packed) as peer:
        vq = peer.queue(0, size=16)
        for i in range(40):
            assert vq.request(b"%d" % i, 8) == b"%d" % i
            if i % 7 == 0:
                vq.start(vq.stop())


@LAYOUTS
def test_with_event_idx_notifications_are_as_sparse_as_was_asked_for(echo, packed):
    with testing.served(echo, packed=packed) as peer:
        assert peer.features >> pylibvu.EVENT_IDX & 1
        vq = peer.queue(0)
        vq.request(b"x", 1)
        vq.interrupted()
        vq.call_after(3, 2)
        for _ in range(4):
            vq.add(b"x", 1)
            vq.kick()
        assert select.select([vq.call_fd], [], [], HANG)[0]
        assert len(vq.used()) == 4  # there was no notification for those before the last
    with testing.served(echo, packed=packed, event_idx=False) as peer:
        assert not peer.features >> pylibvu.EVENT_IDX & 1
        with pytest.raises(testing.PeerError, match="EVENT_IDX"):
            peer.queue(0).call_after(1)


def serve_once(device, sock):
    runner = pylibvu.Runner(once=True)
    runner.adopt(device, sock)
    thread = threading.Thread(target=runner.run)
    thread.start()
    return runner, thread


@LAYOUTS
def test_requests_in_flight_outlive_their_back_end(packed):
    ours, theirs = socket.socketpair()
    with Keeper() as first, Keeper() as second:
        runner, thread = serve_once(first, theirs)
        with testing.Peer(ours, packed=packed, inflight=True) as peer:
            vq = peer.queue(0)
            peer.queue(1)
            added = [vq.add(b"a%d" % i, 8) for i in range(3)]
            vq.kick()
            while vq.inflight() != 3:
                time.sleep(0.001)
            peer.disconnect()
            thread.join()
            runner.close()
            assert vq.inflight() == 3
            ours, theirs = socket.socketpair()
            runner, thread = serve_once(second, theirs)
            peer.reconnect(ours)
            while any(one.written is None for one in added):
                peer.queue(1).request(b"", 1)
                vq.used()
            assert [one.data for one in added] == [b"A0", b"A1", b"A2"]
            assert second.again == 3 and vq.inflight() == 0
        thread.join()
        runner.close()


@LAYOUTS
def test_what_the_device_writes_is_marked_for_a_migration(echo, packed):
    with testing.served(echo, packed=packed) as peer:
        vq, other = peer.queue(0), peer.memory.allocate(8192)
        with peer.dirty_log() as log:
            added = vq.add(b"hello", 4096)
            vq.kick()
            vq.wait(added)
            written = added.pieces[1][0]
            assert log.has(written) and not log.has(other + 4096)
            assert not log.is_same(written, 5)
            assert log.copy() >= 1 and len(log) == 0
            assert log.is_same(written, 5)
        vq.request(b"again", 4096)
        assert len(log) == 0


def test_a_back_end_that_has_gone_is_an_error():
    ours, theirs = socket.socketpair()
    theirs.close()
    with pytest.raises(testing.PeerError):
        testing.Peer(ours, inflight=True)


def test_what_the_back_end_refuses_is_an_error_of_its_ack(echo):
    with testing.served(echo) as peer:
        assert peer.protocol >> testing.PF_REPLY_ACK & 1
        peer.queue(0)
        with pytest.raises(testing.PeerError):
            peer.send(SET_VRING_ENABLE, struct.pack("<II", 99, 1))


@LAYOUTS
def test_nonsense_in_a_ring_breaks_only_its_queue(packed):
    with Echo() as device, testing.served(device, packed=packed) as peer:
        bad = peer.queue(1)
        bad.offer_nonsense()
        bad.kick(anyway=True)
        assert peer.queue(0).request(b"hello", 8) == b"hello"


def test_a_closed_peer_says_so(echo):
    with testing.served(echo) as peer:
        vq = peer.queue(0)
        peer.close()
        with pytest.raises(testing.PeerError, match="closed"):
            vq.add(b"x", 1)
        peer.close()
