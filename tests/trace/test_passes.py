#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What passes vu-trace does not change: bytes, descriptors, order, ends.  test_passes.py VU-TRACE"""

import os
import random
import select
import socket
import struct
import sys
import time

from harness import (DEADLINE, GET_FEATURES, NEED_REPLY, REPLY,
                     SET_BACKEND_REQ_FD, SET_MEM_TABLE, SET_OWNER, SET_VRING_KICK, Child, End, Trace,
                     identity, message, run, u64)



def bytes_and_descriptors_are_the_same_on_both_sides(program):
    rng = random.Random(1)
    fds = [os.eventfd(0) for _ in range(4)] + [os.memfd_create(f"m{i}") for i in range(4)]
    with Trace(program) as t:
        want = {t.front: b"", t.back: b""}
        places = {t.front: [], t.back: []}
        for _ in range(300):
            to, source = rng.choice([(t.back, t.front), (t.front, t.back)])
            request = rng.randrange(0, 60) if rng.random() < 0.9 else rng.getrandbits(32)
            if request in (SET_BACKEND_REQ_FD, 33):
                continue  # their sockets are ours
            payload = rng.randbytes(rng.choice([0, 8, 8, 16, 40, 264, 4000]))
            data = struct.pack("=III", request, rng.choice([1, 5, 9, rng.getrandbits(32)]),
                               len(payload)) + payload
            some = rng.sample(fds, rng.choice([0, 0, 0, 1, 1, 2, 8]))
            places[to] += [(len(want[to]), identity(fd)) for fd in some]
            want[to] += data
            source.send(data, some)
            if rng.random() < 0.2:
                to.wait_bytes(len(want[to]))
        for end, data in want.items():
            end.wait_bytes(len(data))
            assert end.bytes == data
            assert end.fds == places[end], "descriptors"
        t.stop()


def a_message_larger_than_any_passes(program):
    with Trace(program) as t:
        data = message(SET_OWNER, os.urandom(1 << 20))
        before = len(t.back.bytes)
        sent = 0
        t.front.sock.setblocking(False)
        while sent < len(data) or len(t.back.bytes) < before + len(data):
            ready = select.select([t.back.sock], [t.front.sock] if sent < len(data) else [], [], DEADLINE)
            assert ready[0] or ready[1], "stuck"
            if ready[1]:
                sent += t.front.sock.send(data[sent:sent + 65536])
            if ready[0]:
                t.back.bytes += t.back.sock.recv(65536)
        assert t.back.bytes == data
        t.front.sock.setblocking(True)
        t.tell(SET_OWNER)
        assert "larger than any message" in t.stop()


def half_a_message_passes_when_it_is_stuck(program):
    with Trace(program) as t:
        data = message(SET_MEM_TABLE, bytes(40))
        for part in (data[:5], data[5:20], data[20:]):
            before = len(t.back.bytes)
            t.front.send(part)
            t.back.wait_bytes(before + len(part))
        assert t.back.bytes == data
        t.front.send(data[:15])
        t.front.sock.shutdown(socket.SHUT_WR)
        t.back.wait_closed()
        assert t.back.bytes == data + data[:15]
        assert "ends in the middle of a message" in t.stop()


def descriptors_in_the_middle_of_a_message_stay_with_it(program):
    with Trace(program) as t:
        fds = [os.eventfd(0), os.eventfd(0)]
        data = message(SET_VRING_KICK, u64(0))
        t.front.send(data[:1], fds[:1])
        t.front.send(data[1:14])
        t.front.send(data[14:], fds[1:])
        t.back.wait_bytes(len(data))
        assert t.back.bytes == data
        assert [what for _, what in t.back.fds] == [identity(fd) for fd in fds], t.back.fds
        assert t.back.fds[0][0] == 0 and 0 < t.back.fds[1][0] <= 14, t.back.fds
        assert "descriptors come after the first byte" in t.stop()


def a_side_that_does_not_read_does_not_hold_the_other_up(program):
    with Trace(program) as t:
        t.front.sock.setblocking(False)
        sent = 0
        try:
            while True:  # until all buffers on the way are full
                if not select.select([], [t.front.sock], [], 1)[1]:
                    break
                sent += t.front.sock.send(message(SET_OWNER) * 100)
        except BlockingIOError:
            pass
        assert sent < 64 << 20, "nothing holds the sender back"
        t.front.sock.setblocking(True)
        for _ in range(50):
            t.answer(GET_FEATURES, u64(1))
        while len(t.back.bytes) < sent:
            t.back.bytes += t.back.sock.recv(65536)
        whole = message(SET_OWNER) * 100
        assert t.back.bytes == (whole * (sent // len(whole) + 1))[:sent]


def the_back_end_channel_passes(program):
    with Trace(program) as t:
        ours, theirs = socket.socketpair()
        fd = os.memfd_create("shared")
        t.negotiate()
        t.tell(SET_BACKEND_REQ_FD, fds=[theirs.fileno()])
        theirs.close()
        back = End(socket.socket(fileno=os.dup(t.back.held[0])))
        front = End(ours)
        os.close(t.back.held.pop())
        data = message(9, bytes(40), NEED_REPLY)
        back.send(data, [fd])
        front.wait_bytes(len(data))
        assert front.bytes == data and front.fds == [(0, identity(fd))]
        front.send(message(9, u64(0), REPLY))
        back.wait_bytes(20)
        # Its end is seen, and the connection goes on.
        back.close()
        front.wait_closed()
        front.close()
        t.tell(SET_OWNER)
        text = t.stop()
        assert "← channel: SHMEM_MAP(" in text and "fd memfd:shared" in text, text
        assert "→ channel: SHMEM_MAP ok" in text, text
        assert "violation" not in text, text


def when_a_side_closes_the_other_sees_it_after_all_that_was_sent(program):
    for first, name in ((0, "front-end"), (1, "back-end")):
        with Trace(program) as t:
            ends = (t.front, t.back) if first == 0 else (t.back, t.front)
            ends[0].send(message(SET_OWNER) * 10)
            ends[0].close()
            ends[1].wait_closed()
            assert len(ends[1].bytes) == 120
            ends[1].close()
            t.wait_text(f"the {name} closed the connection")


def a_half_that_is_shut_down_leaves_the_other_half(program):
    with Trace(program) as t:
        t.front.sock.shutdown(socket.SHUT_WR)
        t.back.wait_closed()
        t.answer(GET_FEATURES, u64(7))
        t.back.close()
        t.front.wait_closed()


def when_the_tool_is_killed_both_sides_see_it_and_the_next_one_serves(program):
    with Trace(program) as t:
        t.tell(SET_OWNER)
        t.process.kill()
        t.process.wait()
        t.front.wait_closed()
        t.back.wait_closed()
        # The file that it left does not keep its successor from listening.
        t.process = Child(t.process.args)
        t.front.close()
        t.back.close()
        t.connect()
        t.tell(SET_OWNER)


def a_back_end_that_is_not_there_is_waited_for_a_moment(program):
    with Trace(program, connect=False) as t:
        t.listener.close()
        os.unlink(t.back_path)
        front = socket.socket(socket.AF_UNIX)
        limit = time.monotonic() + DEADLINE
        while front.connect_ex(t.front_path):
            assert time.monotonic() < limit
            time.sleep(0.01)
        End(front).wait_closed()
        t.wait_text("cannot connect to")


def a_reader_that_goes_does_no_harm(program):
    with Trace(program, output=False) as t:
        t.tell(SET_OWNER)
        t.process.stdout.close()
        for _ in range(2000):
            t.tell(SET_OWNER)


def the_back_end_may_be_the_one_that_connects(program):
    with Trace(program, "--back-end-connects") as t:
        # Here "front" is who connected.
        t.back.send(message(GET_FEATURES))
        t.front.wait_bytes(12)
        t.front.send(message(GET_FEATURES, u64(5), REPLY))
        t.back.wait_bytes(20)
        text = t.stop()
        assert "→ GET_FEATURES()" in text and "← GET_FEATURES(u64 0x5" in text, text


run([bytes_and_descriptors_are_the_same_on_both_sides,
     a_message_larger_than_any_passes,
     half_a_message_passes_when_it_is_stuck,
     descriptors_in_the_middle_of_a_message_stay_with_it,
     a_side_that_does_not_read_does_not_hold_the_other_up,
     the_back_end_channel_passes,
     when_a_side_closes_the_other_sees_it_after_all_that_was_sent,
     a_half_that_is_shut_down_leaves_the_other_half,
     when_the_tool_is_killed_both_sides_see_it_and_the_next_one_serves,
     a_back_end_that_is_not_there_is_waited_for_a_moment,
     a_reader_that_goes_does_no_harm,
     the_back_end_may_be_the_one_that_connects], sys.argv[1])
