#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""--requests: lines about rings, whatever a guest writes there.  test_requests.py VU-TRACE"""

import os
import random
import select
import socket
import struct
import sys
import threading
import time

from harness import (DEADLINE, REPLY, SET_MEM_TABLE, SET_OWNER, SET_VRING_CALL, SET_VRING_KICK,
                     SET_VRING_ADDR, SET_VRING_BASE, SET_VRING_NUM, Trace, run, u64)
from rings import (ACCESS_PLATFORM, BUFFERS, DESC, DEVICE, DRIVER, GUEST, INDIRECT, NEXT, NUM, SIZE,
                   USER, Ring)

LAYOUTS = (False, True)


def fuse(opcode, body=b"", nodeid=1):
    return struct.pack("<IIQQIIIHH", 40 + len(body), opcode, 7, nodeid, 0, 0, 0, 0, 0) + body


def cdb(*code):
    return b"\1\3\0\2" + bytes(4) + u64(9) + bytes(3) + bytes(code).ljust(32, b"\0")


def scsi(status=0, response=0):
    sense = b"\x70\0\5" + bytes(9) + b"\x21\0"
    return struct.pack("<IIHBB", len(sense), 0, 0, status, response) + sense.ljust(96, b"\0")


def vsock(op, kind=1, length=0):
    return struct.pack("<QQIIIHHIII", 3, 2, 1000, 2000, length, kind, op, 3, 65536, 5)


def gpu(kind, fields=(), fence=0, context=0):
    return struct.pack("<IIQIxxxx", kind, 1 if fence else 0, fence, context) + struct.pack(f"<{len(fields)}I", *fields)


def can(kind, length, flags, identifier):
    return struct.pack("<HHBxHII", kind, length, 0, 0, flags, identifier)


# type, queue, what the device reads, what it writes, (name, text, result)
TYPES = [
    ("blk", 0, struct.pack("<IIQ", 0, 0, 2048), bytes(4096) + b"\0", ("READ", "sector 2048 len 4096", "OK")),
    ("blk", 0, struct.pack("<IIQ", 1, 0, 8) + bytes(512), b"\1", ("WRITE", "sector 8 len 512", "IOERR")),
    ("blk", 0, struct.pack("<IIQ", 4, 0, 0), b"\0", ("FLUSH", "", "OK")),
    ("blk", 0, struct.pack("<IIQQII", 11, 0, 0, 64, 8, 0), b"\2", ("DISCARD", "sector 64 sectors 8", "UNSUPP")),
    ("blk", 0, struct.pack("<IIQ", 77, 0, 0), b"\2", ("unknown type", "77", "UNSUPP")),
    ("blk", 0, b"short", b"\0", ("REQUEST", "without a header", "done")),
    ("scsi", 2, cdb(0x28, 0, 0, 0, 1, 0, 0, 0, 8), scsi(),
     ("READ(10)", "target 3 lun 2 lba 256 blocks 8", "OK")),
    ("scsi", 2, cdb(0x8a, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 4), scsi(2),
     ("WRITE(16)", "target 3 lun 2 lba 4294967298 blocks 4 (sense 5/21/00)", "CHECK_CONDITION")),
    ("scsi", 2, cdb(0x12), scsi(0, 3), ("INQUIRY", "target 3 lun 2", "BAD_TARGET")),
    ("scsi", 0, struct.pack("<II", 0, 5) + b"\1\0\0\0" + bytes(4) + u64(1), b"\0",
     ("LOGICAL_UNIT_RESET", "target 0 lun 0", "OK")),
    ("fs", 1, fuse(1, b"file\0"), struct.pack("<IiQ", 16, -2, 7),
     ("LOOKUP", 'nodeid 1 name "file"', "No such file or directory")),
    ("fs", 1, fuse(15, struct.pack("<QQIIQII", 5, 4096, 8192, 0, 0, 0, 0)),
     struct.pack("<IiQ", 16, 0, 7) + bytes(64), ("READ", "nodeid 1 fh 5 offset 4096 size 8192", "OK")),
    ("fs", 0, fuse(2, u64(1)), b"", ("FORGET", "nodeid 1", "done")),
    ("rng", 0, b"", bytes(64), ("READ", "len 64", "64 bytes")),
    ("console", 1, b"ls\n\x1b[2J", b"", ("TRANSMIT", 'port 0 len 7 text "ls\\x0a\\x1b[2J"', "done")),
    ("console", 0, b"", b"ok", ("RECEIVE", 'port 0 len 2 text "ok"', "done")),
    ("console", 3, struct.pack("<IHH", 1, 3, 1), b"", ("PORT_READY", "port 1 value 1", "done")),
    ("console", 5, b"x", b"", ("TRANSMIT", 'port 1 len 1 text "x"', "done")),
    ("input", 0, b"", struct.pack("<HHi", 1, 30, 1), ("EVENT", "KEY code 30 value 1", "done")),
    ("input", 1, struct.pack("<HHi", 0x11, 1, 0), b"", ("STATUS", "LED code 1 value 0", "done")),
    ("gpio", 0, struct.pack("<HHI", 4, 3, 0), b"\0\1", ("GET_VALUE", "line 3 value 0 gives 1", "OK")),
    ("gpio", 0, struct.pack("<HHI", 5, 3, 1), b"\1\0", ("SET_VALUE", "line 3 value 1", "ERR")),
    ("gpio", 1, struct.pack("<H", 4), b"\1", ("IRQ", "line 4", "VALID")),
    ("i2c", 0, struct.pack("<HHI", 0x50 << 1, 0, 0) + b"ab", b"\0", ("WRITE", "address 0x50 len 2", "OK")),
    ("i2c", 0, struct.pack("<HHI", 0x50 << 1, 0, 3), b"data\1",
     ("READ", "address 0x50 len 4 fail-next", "ERR")),
    ("snd", 0, struct.pack("<II", 0x104, 1), struct.pack("<I", 0x8000), ("PCM_START", "stream 1", "OK")),
    ("snd", 2, struct.pack("<I", 1) + bytes(64), struct.pack("<II", 0x8003, 0),
     ("PLAY", "stream 1 len 64", "IO_ERR")),
    ("snd", 3, struct.pack("<I", 1), bytes(64) + struct.pack("<II", 0x8000, 0),
     ("CAPTURE", "stream 1 len 64", "OK")),
    ("vsock", 1, vsock(1), b"", ("REQUEST", "guest 3:1000 to 2:2000 buf_alloc 65536 fwd_cnt 5", "done")),
    ("vsock", 0, b"", vsock(5, 2, 7) + bytes(7),
     ("RW", "host 3:1000 to 2:2000 seqpacket len 7 buf_alloc 65536 fwd_cnt 5", "done")),
    ("net", 1, bytes(12) + bytes(60), b"", ("TRANSMIT", "len 72", "done")),
    ("scmi", 0, struct.pack("<I", 0x15 << 10 | 6), struct.pack("<Ii", 0, -2),
     ("COMMAND", "protocol 0x15 message 0x06", "INVALID_PARAMETERS")),
    ("gpu", 0, gpu(0x101, (7, 2, 640, 480)), gpu(0x1100),
     ("RESOURCE_CREATE_2D", "resource 7 format 2 width 640 height 480", "OK")),
    ("gpu", 0, gpu(0x104, (1, 2, 64, 48, 7, 0), fence=9), gpu(0x1203, fence=9),
     ("RESOURCE_FLUSH", "resource 7 x 1 y 2 width 64 height 48 fence 9", "ERR_INVALID_RESOURCE_ID")),
    ("gpu", 0, gpu(0x207, (16, 0), context=3) + bytes(16), gpu(0x1100),
     ("SUBMIT_3D", "context 3 size 16", "OK")),
    ("gpu", 0, gpu(0x999), gpu(0x99), ("unknown command", "0x999", "unknown response")),
    ("gpu", 1, gpu(0x301, (0, 10, 20, 0, 0, 0, 0, 0)), b"", ("MOVE_CURSOR", "scanout 0 x 10 y 20", "done")),
    ("rtc", 0, struct.pack("<H6xH6x", 1, 2), b"\0" * 8 + u64(1234), ("READ", "clock 2 gives 1234", "OK")),
    ("rtc", 0, struct.pack("<H6xQHB5x", 0x1004, 99, 1, 1), b"\3" + bytes(7),
     ("SET_ALARM", "clock 1 time 99", "ENODEV")),
    ("rtc", 0, struct.pack("<H6x", 0x77), b"\2", ("unknown type", "0x77", "EOPNOTSUPP")),
    ("rtc", 1, b"", struct.pack("<H6xH6x", 0x2000, 1), ("ALARM", "clock 1", "done")),
    ("spi", 0, struct.pack("<BBBBBxxxII16x", 1, 8, 1, 1, 1, 3, 1000) + b"ab", b"cd\0",
     ("TRANSFER", "chip 1 mode 0x3 freq 1000 tx 2 rx 2 deselect", "OK")),
    ("spi", 0, b"\1", b"\1", ("TRANSFER", "chip 1 mode 0x0 freq 0 tx 0 rx 0", "PARAM_ERR")),
    ("can", 0, can(1, 2, 0x8000, 0x12345) + b"ab", b"\0", ("TRANSMIT", "id 0x12345 len 2 extended", "OK")),
    ("can", 0, can(1, 4, 0x2000, 0x123), b"\1", ("TRANSMIT", "id 0x123 len 4 remote", "NOT_OK")),
    ("can", 1, b"", can(0x101, 3, 0x4000, 0x7ff) + b"abc", ("RECEIVE", "id 0x7ff len 3 fd", "done")),
    ("can", 2, struct.pack("<H", 0x201), b"\0", ("START", "", "OK")),
    ("can", 2, b"", b"\1", ("unknown type", "", "NOT_OK")),
]


def trace(program, *options, **how):
    return Trace(program, "--requests", "--json", *options, **how)


def requests(t):
    return [line for line in t.lines() if line["event"] == "request"]


def notes(t):
    return [line["text"] for line in t.lines() if line["event"] == "note"]


def finish(t, ring=None):
    if ring:
        ring.stop()
    t.stop()
    return requests(t)


def each_type_is_put_into_words(program):
    wrong = []
    for number, (kind, queue, out, written, want) in enumerate(TYPES):
        with trace(program, f"--type={kind}") as t:
            ring = Ring(t, queue, packed=number % 2 == 1)
            ring.do(out, written, split_at=len(out) // 2, indirect=number % 3 == 0)
            found = finish(t, ring)
            got = [(r["name"], r["text"], r["result"]) for r in found]
            if got != [want] or found[0]["type"] != kind or found[0]["queue"] != queue:
                wrong.append(f"{kind}: {got}, not {want}")
    assert not wrong, "\n".join(wrong)


def every_request_of_a_ring_is_seen_once_and_in_order(program):
    for packed in LAYOUTS:
        with trace(program, "--type=blk") as t:
            ring = Ring(t, packed=packed)
            for i in range(100):
                ring.do(struct.pack("<IIQ", 0, 0, i), bytes(512) + b"\0", indirect=i % 3 == 0)
            found = finish(t, ring)
            assert [r["text"] for r in found] == [f"sector {i} len 512" for i in range(100)]
            assert all(r["segments"] == 2 and r["out"] == 16 and r["in"] == r["used"] == 513 and
                       r["latency_us"] > 0 and not r["failed"] for r in found)
            assert not notes(t), notes(t)


def requests_that_are_completed_in_another_order_are_matched(program):
    for packed in LAYOUTS:
        with trace(program, "--type=blk") as t:
            ring = Ring(t, packed=packed)
            ids = [ring.add([(struct.pack("<IIQ", 0, 0, i), False), (bytes(1), True)]) for i in range(5)]
            ring.kick_and_wait()
            for i in (3, 1, 4, 0, 2):
                ring.complete(ids[i], 1, 2)
            ring.call_and_wait()
            found = finish(t, ring)
            assert [r["text"] for r in found] == [f"sector {i} len 0" for i in (3, 1, 4, 0, 2)]


def requests_without_a_kick_or_a_call_are_seen_too(program):
    for packed in LAYOUTS:
        with trace(program, "--type=rng") as t:
            ring = Ring(t, packed=packed)
            ident = ring.add([(bytes(64), True)])
            time.sleep(0.1)
            ring.complete(ident, 64)
            limit = time.monotonic() + DEADLINE
            while not requests(t):
                assert time.monotonic() < limit
                time.sleep(0.01)
            finish(t, ring)


def a_ring_that_goes_on_after_a_stop_is_seen_from_its_base(program):
    for packed in LAYOUTS:
        with trace(program, "--type=rng") as t:
            ring = Ring(t, packed=packed)
            for i in range(NUM + 3):
                ring.do(b"", bytes(8))
            ring.stop()
            base = ring.avail
            if packed:
                base |= ring.wrap << 15
                base |= base << 16
            t.tell(SET_VRING_NUM, struct.pack("=II", 0, NUM))
            t.tell(SET_VRING_BASE, struct.pack("=II", 0, base))
            t.tell(SET_VRING_ADDR, struct.pack("=IIQQQQ", 0, 0, USER + DESC, USER + DEVICE, USER + DRIVER, 0))
            t.tell(SET_VRING_KICK, u64(0), [ring.kick])
            ring.back_kick = t.back.held[-1]
            ring.do(b"", bytes(8))
            assert len(finish(t, ring)) == NUM + 4


def a_packed_ring_that_begins_at_0_is_a_new_one(program):
    with trace(program, "--type=rng") as t:
        ring = Ring(t, packed=True, base=0)
        ring.do(b"", bytes(8))
        assert [r["result"] for r in finish(t, ring)] == ["8 bytes"]


def what_is_not_completed_is_noted_at_the_end(program):
    for packed in LAYOUTS:
        with trace(program, "--type=rng") as t:
            ring = Ring(t, packed=packed)
            ring.add([(bytes(64), True)])
            ring.kick_and_wait()
            finish(t, ring)
            assert "queue 0: ends with 1 requests that are not completed" in notes(t)[0]


def addresses_go_through_the_iommu(program):
    with trace(program, "--type=rng") as t:
        t.negotiate(features=1 << 30 | 1 << 32 | ACCESS_PLATFORM)
        iova = 0x10000
        ring = Ring(t, features=ACCESS_PLATFORM, iova=iova)
        update = struct.pack("=QQQBB6x", iova, SIZE, USER, 3, 2)
        t.ask(22, u64(0), update)
        # What it calls a guest address is an IOVA, too.
        ring.alloc = lambda data: iova + BUFFERS
        ring.do(b"", bytes(16))
        t.wait_text('"result":"16 bytes"')
        # An invalidation of everything, whose end wraps.
        t.ask(22, u64(0), struct.pack("=QQQBB6x", 0, (1 << 64) - 1, 0, 0, 3))
        ring.add([(bytes(16), True)])
        ring.kick_and_wait()
        finish(t, ring)
        assert "queue 0: the ring cannot be read: no translation came (yet)" in notes(t), notes(t)


def translations_that_come_after_the_kick_are_in_time(program):
    for packed in LAYOUTS:
        for indirect in (False, True):
            with trace(program, "--type=blk") as t:
                t.negotiate(features=1 << 30 | 1 << 32 | ACCESS_PLATFORM)
                iova = 0x10000
                ring = Ring(t, packed=packed, features=ACCESS_PLATFORM, iova=iova)
                t.ask(22, u64(0), struct.pack("=QQQBB6x", iova, BUFFERS, USER, 3, 2))
                alloc = ring.alloc
                ring.alloc = lambda data, alloc=alloc: alloc(data) - GUEST + iova
                segments = [(struct.pack("<IIQ", 0, 0, 7), False), (bytes(513), True)]
                ident = ring.add(segments, indirect)
                ring.kick_and_wait()
                t.ask(22, u64(0), struct.pack("=QQQBB6x", iova + BUFFERS, SIZE - BUFFERS, USER + BUFFERS, 3, 2))
                ring.complete(ident, 513, 1 if indirect else 2)
                ring.call_and_wait()
                found = finish(t, ring)
                assert [(r["text"], r["result"], r["segments"]) for r in found] == [
                    ("sector 7 len 512", "OK", 2)], found


def kicks_that_the_back_end_did_not_take_are_the_front_ends_again(program):
    with trace(program) as t:
        ring = Ring(t)
        os.eventfd_write(ring.kick, 1)
        assert select.select([ring.back_kick], [], [], DEADLINE)[0]
        ring.stop()
        assert select.select([ring.kick], [], [], DEADLINE)[0], "the kick is lost"
        # From here on it is not ours to be taken.
        time.sleep(0.1)
        assert os.eventfd_read(ring.kick) == 1


def a_call_to_the_descriptor_before_arrives(program):
    with trace(program) as t:
        ring = Ring(t)
        old, before = ring.back_call, ring.call
        new = os.eventfd(0, os.EFD_NONBLOCK)
        t.tell(SET_VRING_CALL, u64(0), [new])
        os.eventfd_write(old, 1)
        assert select.select([before], [], [], DEADLINE)[0]
        os.eventfd_write(t.back.held[-1], 1)
        assert select.select([new], [], [], DEADLINE)[0]


def a_call_may_be_a_socket(program):
    with trace(program) as t:
        ring = Ring(t)
        ours, theirs = socket.socketpair()
        t.tell(SET_VRING_CALL, u64(0), [theirs.fileno()])
        os.eventfd_write(t.back.held[-1], 1)
        ours.settimeout(DEADLINE)
        assert len(ours.recv(100)) == 8
        ring.stop()


def without_it_descriptors_stay_the_same(program):
    with Trace(program) as t:
        fds = [os.eventfd(0), os.eventfd(0)]
        t.tell(SET_VRING_CALL, u64(0), fds[:1])
        t.tell(SET_VRING_KICK, u64(0), fds[1:])
        for fd, (_, seen) in zip(fds, t.back.fds):
            with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as info:
                assert seen[3] in info.read()


def lives(t, ring):
    """It passes messages, kicks and calls."""
    t.tell(SET_OWNER)
    ring.kick_and_wait()
    ring.call_and_wait()


def bad_chains_are_named(program):
    def loop(ring):
        ring.put_desc(0, GUEST, 16, NEXT, 1)
        ring.put_desc(1, GUEST, 16, NEXT, 0)
        ring.offer(0)

    def beyond(ring):
        ring.put_desc(0, GUEST, 16, NEXT, 100)
        ring.offer(0)

    def odd_table(ring):
        ring.put_desc(0, GUEST + BUFFERS, 17, INDIRECT, 0)
        ring.offer(0)

    def table_nowhere(ring):
        ring.put_desc(0, 1 << 60, 32, INDIRECT, 0)
        ring.offer(0)

    def table_loop(ring):
        struct.pack_into("<QIHH", ring.memory, BUFFERS, GUEST, 16, NEXT, 0)
        ring.put_desc(0, GUEST + BUFFERS, 0x80000, INDIRECT, 0)
        ring.offer(0)

    for make, words in ((loop, "a loop"), (beyond, "beyond the descriptors"), (odd_table, "odd length"),
                        (table_nowhere, "cannot be read"), (table_loop, "a loop")):
        with trace(program) as t:
            ring = Ring(t)
            make(ring)
            ring.kick_and_wait()
            ring.complete(0, 0)
            ring.call_and_wait()
            found = finish(t, ring)
            assert words in found[0]["text"], found
    with trace(program) as t:
        ring = Ring(t)
        ring.offer(NUM)
        ring.kick_and_wait()
        ring.complete(NUM, 0)
        lives(t, ring)
        finish(t, ring)
        assert "queue 0: a head beyond the descriptors is available" in notes(t)
        assert "queue 0: a used id is beyond the descriptors" in notes(t)


def anything_in_guest_memory_does_it_no_harm(program):
    rng = random.Random(3)
    for packed in LAYOUTS:
        with trace(program, "--type=scsi", "--quiet") as t:
            ring = Ring(t, 2, packed=packed, num=256)
            for i in range(150):
                if i % 3:
                    ring.memory[:BUFFERS] = rng.randbytes(BUFFERS)
                else:  # small numbers hit more
                    few = bytes(rng.choice((0, 0, 0, 1, 2, 4, 128, 255)) for _ in range(64))
                    ring.memory[:BUFFERS] = few * (BUFFERS // 64)
                ring.kick_and_wait()
                ring.call_and_wait()
            lives(t, ring)


def a_second_thread_that_writes_while_it_looks_does_it_no_harm(program):
    for packed in LAYOUTS:
        with trace(program, "--type=fs", "--quiet") as t:
            ring = Ring(t, 1, packed=packed, num=64)
            ends = threading.Event()

            def scribble(memory, seed):
                rng = random.Random(seed)
                while not ends.is_set():
                    at = rng.randrange(BUFFERS - 16)
                    memory[at:at + 8] = rng.choice((rng.randbytes(8), bytes(8), b"\1\0\2\0\3\0\4\0"))

            thread = threading.Thread(target=scribble, args=(ring.memory, packed))
            thread.start()
            try:
                for _ in range(300):
                    ring.kick_and_wait()
                    ring.call_and_wait()
                lives(t, ring)
            finally:
                ends.set()
                thread.join()


def memory_that_is_not_there_any_more_does_it_no_harm(program):
    for packed in LAYOUTS:
        with trace(program, "--type=blk") as t:
            ring = Ring(t, packed=packed)
            ring.do(struct.pack("<IIQ", 0, 0, 1), b"\0")
            os.truncate(ring.fd, 0)
            lives(t, ring)
            t.tell(SET_MEM_TABLE, struct.pack("=II", 0, 0))
            lives(t, ring)
            t.stop()
            assert "queue 0: the ring cannot be read" in notes(t)


def odd_rings_and_regions_do_it_no_harm(program):
    with trace(program) as t:
        ring = Ring(t)
        for num in (0, 1, 3, 32768, 32769, 0xffffffff):
            t.tell(SET_VRING_NUM, struct.pack("=II", 0, num))
            t.tell(SET_VRING_KICK, u64(0), [ring.kick])
            ring.back_kick = t.back.held[-1]
            lives(t, ring)
        for region in ((0, 0, 0, 0), (1 << 63, 1 << 63, 1, 1), (0, (1 << 64) - 1, 0, (1 << 64) - 1),
                       (0, 4096, (1 << 64) - 4096, 1 << 62)):
            t.tell(SET_MEM_TABLE, struct.pack("=IIQQQQ", 1, 0, *region), [ring.fd])
            lives(t, ring)
        pipe = os.pipe()
        t.tell(SET_MEM_TABLE, struct.pack("=IIQQQQ", 1, 0, GUEST, SIZE, USER, 0), [pipe[0]])
        lives(t, ring)
        t.tell(SET_VRING_NUM, struct.pack("=II", 0xffffffff, 1))
        t.tell(SET_VRING_ADDR, struct.pack("=IIQQQQ", 4000000000, 0, 0, 0, 0, 0))
        for size in range(12):
            t.tell(SET_VRING_NUM, bytes(size))
            t.tell(SET_MEM_TABLE, bytes(size))
        lives(t, ring)
        t.tell(23, struct.pack("=II", 0, 1))
        for _ in range(50):  # more than it keeps
            t.tell(SET_VRING_CALL, u64(0), [ring.call])
        ring.back_call = t.back.held[-1]
        lives(t, ring)
        t.wait_text("big-endian rings are not understood")


def the_type_is_guessed_and_says_how(program):
    with trace(program) as t:
        t.negotiate()
        t.tell(24, struct.pack("=III", 0, 60, 0) + bytes(60))
        t.answer(24, struct.pack("=III", 0, 60, 0) + bytes(60), flags=REPLY)
        ring = Ring(t)
        ring.do(struct.pack("<IIQ", 4, 0, 0), b"\0")
        found = finish(t, ring)
        assert found[0]["type"] == "blk" and found[0]["name"] == "FLUSH"
        assert any("device type blk, by the size of its configuration space" in line["text"]
                   for line in t.lines() if line["event"] == "session")


run([each_type_is_put_into_words, every_request_of_a_ring_is_seen_once_and_in_order,
     requests_that_are_completed_in_another_order_are_matched,
     requests_without_a_kick_or_a_call_are_seen_too,
     a_ring_that_goes_on_after_a_stop_is_seen_from_its_base,
     a_packed_ring_that_begins_at_0_is_a_new_one, what_is_not_completed_is_noted_at_the_end, addresses_go_through_the_iommu,
     translations_that_come_after_the_kick_are_in_time,
     kicks_that_the_back_end_did_not_take_are_the_front_ends_again,
     a_call_to_the_descriptor_before_arrives, a_call_may_be_a_socket,
     without_it_descriptors_stay_the_same, bad_chains_are_named,
     anything_in_guest_memory_does_it_no_harm,
     a_second_thread_that_writes_while_it_looks_does_it_no_harm, memory_that_is_not_there_any_more_does_it_no_harm,
     odd_rings_and_regions_do_it_no_harm, the_type_is_guessed_and_says_how], sys.argv[1])
