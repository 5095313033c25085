#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Each thing that the specification forbids has a line that names it.  test_violations.py VU-TRACE"""

import os
import socket
import struct
import sys

from harness import (ADD_MEM_REG, ALL_PROTOCOL, GET_CONFIG, GET_FEATURES, GET_PROTOCOL_FEATURES,
                     GET_QUEUE_NUM, GET_VRING_BASE, NEED_REPLY, POSTCOPY_END, POSTCOPY_LISTEN,
                     REPLY, SET_BACKEND_REQ_FD, SET_FEATURES, SET_LOG_BASE, SET_MEM_TABLE,
                     SET_OWNER, SET_PROTOCOL_FEATURES, SET_VRING_KICK, SET_VRING_NUM, End, Trace,
                     message, run, u64)

REGION = struct.pack("=QQQQ", 0, 4096, 0, 0)
TABLE = struct.pack("=II", 1, 0) + REGION


def without(*bits):
    return ALL_PROTOCOL & ~sum(1 << bit for bit in bits)


def raw(side, data, fds=0):
    """That side sends data, and the other one gets all of it."""
    def play(t):
        source, to = (t.front, t.back) if side == "front" else (t.back, t.front)
        before = len(to.bytes)
        source.send(data, [os.eventfd(0) for _ in range(fds)])
        to.wait_bytes(before + len(data))
    return play


def front(*args, fds=0, **how):
    return raw("front", message(*args, **how), fds)


def back(*args, fds=0, **how):
    return raw("back", message(*args, **how), fds)


def negotiated(features=1 << 30 | 1 << 32, protocol=ALL_PROTOCOL):
    return lambda t: t.negotiate(features, protocol)


def channel(*steps):
    """Messages on the back-end channel: (side, bytes, number of fds)."""
    def play(t):
        ours, theirs = socket.socketpair()
        t.tell(SET_BACKEND_REQ_FD, fds=[theirs.fileno()])
        theirs.close()
        ends = {"front": End(ours), "back": End(socket.socket(fileno=t.back.held.pop()))}
        for side, data, fds in steps:
            to = ends["back" if side == "front" else "front"]
            ends[side].send(data, [os.eventfd(0) for _ in range(fds)])
            to.wait_bytes(len(to.bytes) + len(data))
        for end in ends.values():
            end.close()
    return play


# What is played, and what the line says.
FORBIDDEN = [
    ("front-end: SET_VRING_NUM: payload of 4 bytes, want 8", front(SET_VRING_NUM, bytes(4))),
    ("front-end: SET_MEM_TABLE: payload of 8 bytes, want 8 and 32 for each",
     front(SET_MEM_TABLE, struct.pack("=II", 1, 0), fds=1)),
    ("front-end: SET_MEM_TABLE: 0 descriptors, and 1 belong to it", front(SET_MEM_TABLE, TABLE)),
    ("front-end: SET_VRING_KICK: 0 descriptors, and 1 belong to it", front(SET_VRING_KICK, u64(0))),
    ("front-end: SET_VRING_KICK: 1 descriptors, and 0 belong to it",
     front(SET_VRING_KICK, u64(256), fds=1)),
    ("front-end: SET_OWNER: 2 descriptors, and 0 belong to it", front(SET_OWNER, fds=2)),
    ("front-end: message 77 is not known", front(77)),
    ("front-end: GET_QUEUE_NUM needs MQ, which was not negotiated",
     negotiated(protocol=without(0)), front(GET_QUEUE_NUM)),
    ("front-end: GET_PROTOCOL_FEATURES needs VHOST_USER_F_PROTOCOL_FEATURES",
     front(GET_FEATURES), back(GET_FEATURES, u64(1), REPLY), front(GET_PROTOCOL_FEATURES)),
    ("front-end: IOTLB_MSG needs VIRTIO_F_ACCESS_PLATFORM", front(22, bytes(32))),
    ("front-end: SET_OWNER: version 2 in its flags", front(SET_OWNER, version=2)),
    ("front-end: SET_OWNER: unknown bits in its flags 0x11", front(SET_OWNER, b"", 16)),
    ("front-end: SET_OWNER: the reply flag on a request", front(SET_OWNER, b"", REPLY)),
    ("front-end: SET_OWNER asks for a reply, but REPLY_ACK was not negotiated",
     negotiated(protocol=without(3)), front(SET_OWNER, b"", NEED_REPLY)),
    ("front-end: SET_PROTOCOL_FEATURES: 0x2 was not offered",
     front(GET_PROTOCOL_FEATURES), back(GET_PROTOCOL_FEATURES, u64(1), REPLY),
     front(SET_PROTOCOL_FEATURES, u64(3))),
    ("front-end: SET_BACKEND_REQ_FD: its descriptor is no Unix socket",
     negotiated(), front(SET_BACKEND_REQ_FD, fds=1)),
    ("back-end: a reply to GET_FEATURES, which nobody asked for",
     back(GET_FEATURES, u64(1), REPLY)),
    ("back-end: a reply to SET_OWNER, which nobody asked for",
     negotiated(), front(SET_OWNER), back(SET_OWNER, u64(0), REPLY)),
    ("back-end: GET_FEATURES: a reply without the reply flag",
     front(GET_FEATURES), back(GET_FEATURES, u64(1))),
    ("back-end: GET_FEATURES: version 0 in its flags",
     front(GET_FEATURES), back(GET_FEATURES, u64(1), REPLY, version=0)),
    ("back-end: GET_FEATURES: reply of 4 bytes, want 8",
     front(GET_FEATURES), back(GET_FEATURES, bytes(4), REPLY)),
    ("back-end: GET_FEATURES: 1 descriptors with its reply, want at most 0",
     front(GET_FEATURES), back(GET_FEATURES, u64(1), REPLY, fds=1)),
    ("back-end: SET_OWNER: reply of 0 bytes, want 8",
     negotiated(), front(SET_OWNER, b"", NEED_REPLY), back(SET_OWNER, b"", REPLY)),
    ("back-end: GET_FEATURES was not answered before the next was",
     front(GET_FEATURES), front(GET_VRING_BASE, bytes(8)), back(GET_VRING_BASE, bytes(8), REPLY)),
    ("back-end: CONFIG_CHANGE_MSG needs CONFIG, which was not negotiated",
     negotiated(protocol=without(9)), channel(("back", message(2), 0))),
    ("back-end: message 99 is not known", negotiated(), channel(("back", message(99), 0))),
    ("back-end: SHMEM_MAP has a descriptor, but BACKEND_SEND_FD was not negotiated",
     negotiated(protocol=without(10)), channel(("back", message(9, bytes(40)), 1))),
    ("back-end: SHMEM_MAP: 0 descriptors, and 1 belong to it",
     negotiated(), channel(("back", message(9, bytes(40)), 0))),
    ("front-end: a reply to CONFIG_CHANGE_MSG, which nobody asked for",
     negotiated(), channel(("back", message(2), 0), ("front", message(2, u64(0), REPLY), 0))),
]

# What is allowed, however odd.
ALLOWED = [
    ("an ack of the very message that negotiates it",
     front(GET_FEATURES), back(GET_FEATURES, u64(1 << 30), REPLY), front(GET_PROTOCOL_FEATURES),
     back(GET_PROTOCOL_FEATURES, u64(8), REPLY), front(SET_PROTOCOL_FEATURES, u64(8), NEED_REPLY),
     back(SET_PROTOCOL_FEATURES, u64(0), REPLY)),
    ("an error reply to GET_CONFIG", negotiated(),
     front(GET_CONFIG, struct.pack("=III", 0, 8, 0) + bytes(8)), back(GET_CONFIG, b"", REPLY)),
    ("two places for one region, as User-mode Linux sends them",
     front(SET_MEM_TABLE, TABLE + REGION, fds=1)),
    ("a log without a descriptor is not answered",
     negotiated(protocol=without(1)), front(SET_LOG_BASE, u64(0))),
    ("tables in postcopy are answered, and the answer is acked", negotiated(),
     front(POSTCOPY_LISTEN, b"", NEED_REPLY), back(POSTCOPY_LISTEN, u64(0), REPLY),
     front(SET_MEM_TABLE, TABLE, fds=1), back(SET_MEM_TABLE, TABLE, REPLY),
     front(SET_MEM_TABLE, bytes(8)), front(ADD_MEM_REG, bytes(8) + REGION, fds=1),
     back(ADD_MEM_REG, bytes(8) + REGION, REPLY), front(ADD_MEM_REG, bytes(8)),
     front(POSTCOPY_END), back(POSTCOPY_END, u64(0), REPLY)),
    ("messages on the back-end channel", negotiated(),
     channel(("back", message(2, b"", NEED_REPLY), 0), ("front", message(2, u64(1), REPLY), 0),
             ("back", message(8, bytes(16)), 0), ("front", message(8, u64(0), REPLY), 1))),
    ("a ring without a descriptor", front(SET_VRING_KICK, u64(256))),
]


def play(program, steps, strict=None):
    with Trace(program, *(["--strict"] if strict is not None else [])) as t:
        for step in steps:
            step(t)
        return t.stop(strict or 0)


def what_is_forbidden_is_named(program):
    missing = []
    for words, *steps in FORBIDDEN:
        text = play(program, steps)
        if f"!! violation by the {words}" not in text or text.count("!! ") != 1:
            missing.append(f"{words}:\n{text}")
    assert not missing, "\n".join(missing)


def what_is_allowed_is_not(program):
    wrong = []
    for what, *steps in ALLOWED:
        text = play(program, steps)
        if "violation" in text:
            wrong.append(f"{what}:\n{text}")
    assert not wrong, "\n".join(wrong)


def features_that_were_not_offered_are_noted(program):
    text = play(program, [front(GET_FEATURES), back(GET_FEATURES, u64(1), REPLY),
                          front(SET_FEATURES, u64(1 << 29))])
    assert "-- front-end: SET_FEATURES: 0x20000000 was not offered" in text, text


def what_is_not_answered_at_the_end_is_noted(program):
    text = play(program, [front(GET_FEATURES)])
    assert "-- GET_FEATURES was not answered when the connection ended" in text, text
    text = play(program, [negotiated(), channel(("back", message(8, bytes(16)), 0))])
    assert "-- SHARED_OBJECT_LOOKUP was not answered when the connection ended" in text, text


def strict_ends_with_3(program):
    play(program, [front(SET_OWNER)], strict=0)
    play(program, [front(77)], strict=3)


run([what_is_forbidden_is_named, what_is_allowed_is_not, features_that_were_not_offered_are_noted,
     what_is_not_answered_at_the_end_is_noted, strict_ends_with_3], sys.argv[1])
