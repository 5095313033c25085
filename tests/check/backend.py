#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A small vhost-user back-end of its own, honest but for the faults that it is given: each is named
after the check of vu-check that it has to fail.   backend.py SOCKET TYPE [FAULT...]"""

import array
import mmap
import os
import select
import signal
import socket
import struct
import sys

from moves import Moves, has_userfaultfd
from rings import Bad, Memory, Packed, Split
from translated import Translated

OWN, ACK = range(2)
FEATURES = sum(1 << n for n in (26, 28, 29, 30, 32, 33, 34))
MQ, LOG, REPLY_ACK, CHANNEL, PAGEFAULT, CONFIG, INFLIGHT, RESET = 0, 1, 3, 5, 8, 9, 12, 13
SLOTS, STATUS, STATE, GPA, SHMEM = 15, 16, 19, 21, 22
PROTOCOL = sum(1 << n for n in (MQ, LOG, REPLY_ACK, CHANNEL, CONFIG, INFLIGHT, RESET, SLOTS, STATUS, STATE,
                                GPA, SHMEM)) | has_userfaultfd() << PAGEFAULT
SPACE = bytes(range(1, 65))
ENTRY, HEAD = 16, 16  # of the in-flight region


class State:
    """What outlives a session."""
    asked = sessions = served = 0


class Session(Moves, Translated):
    def __init__(self, sock, kind, faults, state):
        Moves.__init__(self)
        Translated.__init__(self)
        self.sock, self.kind, self.faults, self.state = sock, kind, faults, state
        self.memory = Memory(faults, self)
        self.rings = [{"num": 0, "base": 0, "kick": -1, "call": -1, "on": False, "queue": None,
                       "stopped": False, "served": 0} for _ in range(2 if kind in ("fs", "net") else 1)]
        self.features = self.protocol = self.status = self.messages = 0
        self.inflight = None
        self.later = []
        self.dead = False

    def has(self, *faults):
        return any(fault in self.faults for fault in faults)

    def either(self, fault):
        return self.has(("packed-" if self.features >> 34 & 1 else "split-") + fault)

    # The socket

    def receive(self, n, begun=False):
        data, fds = b"", array.array("i")
        while len(data) < n:
            more, control, _, _ = self.sock.recvmsg(n - len(data), socket.CMSG_SPACE(4 * 32))
            for _, _, raw in control:
                fds.frombytes(raw)
            data += more
            if not more and (data or begun):
                raise Bad("half a message")
            if not more or len(data) < n and self.has("split-message"):
                return None, fds
        return data, fds

    def message(self):
        data, fds = self.receive(12)
        if data is None:
            return False
        request, flags, size = struct.unpack("III", data)
        if flags & 7 != 1 or size > 4096:
            raise Bad("a header that cannot be")
        payload = self.receive(size, True)[0] if size else b""
        if self.has("joined-messages"):
            try:
                self.sock.recv(4096, socket.MSG_DONTWAIT)
            except BlockingIOError:
                pass
        self.messages += 1
        handler = getattr(self, f"on_{request}", None)
        if not handler:
            raise Bad(f"request {request}")
        answer = handler(payload, list(fds))
        self.answer(request, flags, answer)
        return True

    def answer(self, request, flags, answer):
        if self.has("falls-silent") and self.state.asked > 2:
            signal.pause()
        # vu-check looks twice before the check itself
        reply_flags = 4 if self.has("get-features") and self.state.asked == 3 else 5
        fds = []
        if isinstance(answer, tuple):
            answer, fds = answer
        needs_ack = flags & 8 and self.protocol >> REPLY_ACK & 1
        if answer is not None:
            self.send(request, reply_flags, answer, fds)
            if not needs_ack or not self.has("one-reply"):
                return
        elif request == 2 and self.has("no-reply-unasked"):
            needs_ack = True
        if needs_ack:
            value = 1 if self.has("reply-ack") else 0
            self.send(request, reply_flags, struct.pack("Q", value), [])

    def send(self, request, flags, payload, fds):
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.sock.sendmsg([struct.pack("III", request, flags, len(payload)) + payload], control)
        for fd in fds:
            os.close(fd)

    # Messages

    def on_1(self, _, fds):
        self.state.asked += 1
        features = FEATURES
        if self.has("features-same") and self.state.asked > 3:
            features &= ~(1 << 28)
        if self.has("version-1"):
            features &= ~(1 << 32)
        return struct.pack("Q", features)

    def on_2(self, payload, fds):
        self.features, = struct.unpack("Q", payload)
        self.memory.is_translated = self.features >> 33 & 1
        stays = self.has("log-off") and self.memory.log_on
        self.memory.log_on = stays or self.features >> 26 & 1 and not self.either("log-marks")

    def on_3(self, *_):
        pass

    def on_15(self, *_):
        if self.has("protocol-features-early") and self.messages == 1:
            raise Bad("too early")
        return struct.pack("Q", PROTOCOL)

    def on_16(self, payload, fds):
        self.protocol, = struct.unpack("Q", payload)
        if self.has("protocol-features-none") and not self.protocol:
            raise Bad("none")

    def on_17(self, *_):
        return struct.pack("Q", 0 if self.has("queue-num") else len(self.rings))

    def region(self, raw, fd):
        gpa, size, uva, offset = struct.unpack("QQQQ", raw)
        if self.has("gpa-addresses") and not uva:
            raise Bad("no user address")
        length = os.fstat(fd).st_size
        if not size or offset + size > length or gpa + size > 1 << 64:
            raise Bad("a region that cannot be")
        for r in self.memory.regions:
            if gpa < r["gpa"] + r["size"] and r["gpa"] < gpa + size:
                raise Bad("regions that overlap")
        self.memory.regions.append({"gpa": gpa, "size": size, "uva": uva,
                                    "offset": 0 if self.has("mem-offset") else offset,
                                    "map": mmap.mmap(fd, length)})
        if self.has("cuts-memory"):
            self.memory.regions.clear()
            os.ftruncate(fd, 0)
        os.close(fd)

    def on_5(self, payload, fds):
        if self.is_ack(payload):
            return None
        n, = struct.unpack("II", payload[:8])[:1]
        if n > 8 or n > len(fds) or len(payload) < 8 + 32 * n:
            raise Bad("a table that cannot be")
        if self.has("mem-table-changed") and self.memory.regions:
            return None
        self.memory.regions.clear()
        for i in range(n):
            self.region(payload[8 + 32 * i:40 + 32 * i], fds[i])
        return self.propose(payload)

    def on_6(self, payload, fds):
        if self.has("log-base"):
            raise Bad("no log")
        size, offset = struct.unpack("QQ", payload)
        if not (self.has("log-replaced") and self.memory.log):
            self.memory.log = mmap.mmap(fds[0], size, offset=offset)
        return struct.pack("Q", 0)

    def ring(self, index):
        if index >= len(self.rings):
            raise Bad(f"queue {index}")
        return self.rings[index]

    def on_8(self, payload, fds):
        index, num = struct.unpack("II", payload)
        if self.has("ack-says-no") and index >= len(self.rings):
            return
        self.ring(index)["num"] = num

    def on_9(self, payload, fds):
        index, _, desc, used, avail, log = struct.unpack("IIQQQQ", payload)
        self.ring(index)["addr"] = (desc, used, avail)
        self.ring(index)["log"] = log

    def on_10(self, payload, fds):
        index, base = struct.unpack("II", payload)
        self.ring(index)["base"] = 0 if self.either("wrap") else base

    def on_11(self, payload, fds):
        index, _ = struct.unpack("II", payload)
        ring = self.ring(index)
        base = ring["queue"].base() if ring["queue"] else ring["base"]
        for each in self.rings if self.has("queues-apart") else [ring]:
            if not self.either("stopped-is-still"):
                each["queue"] = None
            each["stopped"] = True
        return struct.pack("II", index, 0 if self.either("stop-index") else base)

    def set_fd(self, payload, fds, what):
        value, = struct.unpack("Q", payload)
        if len(fds) > 1:
            raise Bad("descriptors")
        ring = self.ring(value & 0xff)
        if what == "call" and self.has("call-fd") and ring["served"]:
            return ring
        if ring[what] >= 0:
            os.close(ring[what])
        ring[what] = fds[0] if fds else -1
        return ring

    def on_12(self, payload, fds):
        if self.protocol >> INFLIGHT & 1 and not self.inflight:
            raise Bad("a ring starts without the region of the in-flight log that was accepted")
        self.soon(self.start, self.set_fd(payload, fds, "kick"))

    def soon(self, what, ring):
        """At once; or when the message is answered, as the front-end may be asked for addresses then."""
        if self.memory.is_translated:
            self.later.append((what, ring))
        else:
            what(ring)

    def start(self, ring):
        layout = Packed if self.features >> 34 & 1 else Split
        ring["queue"] = layout(self.memory, ring, self.features)
        if not self.protocol:
            ring["on"] = True
        if not self.either("restart"):
            ring["stopped"] = False
        self.resubmit(ring)
        if ring["on"] and not self.either("start-without-kick"):
            self.serve(ring)

    def on_13(self, payload, fds):
        self.set_fd(payload, fds, "call")

    def on_14(self, payload, fds):
        for fd in fds:
            os.close(fd)

    def on_18(self, payload, fds):
        index, on = struct.unpack("II", payload)
        ring = self.ring(index)
        ring["on"] = bool(on)
        if not self.either("enable-late") and not self.either("start-without-kick"):
            self.soon(self.serve, ring)

    def on_24(self, payload, fds):
        offset, size, flags = struct.unpack("III", payload[:12])
        if size != len(payload) - 12:
            raise Bad("its size")
        if offset + size > len(SPACE):
            if self.has("config-past-end"):
                raise Bad("past the end")
            if offset >= 1 << 12:
                raise Bad("no such place")
            return struct.pack("III", offset, 0, flags)
        if self.has("config-read"):
            return struct.pack("III", offset, 0, flags)
        at = 0 if self.has("config-offset") else offset
        return struct.pack("III", offset, size, flags) + SPACE[at:at + size]

    def on_31(self, payload, fds):
        n, size = struct.unpack("HH", payload[16:20])
        length = n * (HEAD + ENTRY * size)
        fd = os.memfd_create("in-flight")
        os.ftruncate(fd, length // 2 if self.has("inflight-region") else length)
        return struct.pack("QQHH", length, 0, n, size) + payload[20:], [fd]

    def on_32(self, payload, fds):
        size, offset = struct.unpack("QQ", payload[:16])
        self.inflight = mmap.mmap(fds[0], os.fstat(fds[0]).st_size)
        os.close(fds[0])

    def on_34(self, *_):
        for ring in self.rings:
            ring["queue"], ring["base"] = None, 0
        self.dead = self.has("reset-device")

    def on_36(self, *_):
        return struct.pack("Q", 0 if self.has("max-mem-slots") else 32)

    def on_37(self, payload, fds):
        if self.is_ack(payload):
            return None
        if not self.has("mem-slot-added") or not self.memory.regions:
            self.region(payload[8:40], fds[0])
        return self.propose(payload)

    def on_38(self, payload, fds):
        gpa, = struct.unpack("Q", payload[8:16])
        if self.has("mem-slot-removed"):
            gpa = 0
        self.memory.regions = [r for r in self.memory.regions if r["gpa"] != gpa]

    def on_39(self, payload, fds):
        self.status, = struct.unpack("Q", payload)

    def on_40(self, *_):
        return struct.pack("Q", 0 if self.has("status") else self.status)

    def on_44(self, *_):
        sizes = struct.pack("Q", 1 << 20) + bytes(255 * 8)
        return struct.pack("II", 2 if self.has("shmem-config") else 1, 0) + sizes

    # Requests

    def resubmit(self, ring):
        if not self.inflight or self.has("inflight-again") or self.features >> 34 & 1:
            return
        for head in range(ring["num"]):
            if self.inflight[HEAD + ENTRY * head]:
                self.inflight[HEAD + ENTRY * head] = 0
                self.finish(ring, ring["queue"].again(head))

    def may_serve(self, ring):
        late = self.has("reconnect") or self.either("reconnect")
        is_on = ring["on"] and not ring["stopped"] or self.either("stopped-is-still")
        return ring["queue"] and is_on and not self.dead and not (late and self.state.sessions > 1)

    def serve(self, ring):
        if self.kind == "net" and ring is self.rings[0] and not self.has("net-receive"):
            return  # buffers for packets, which nobody sends
        first = True
        while self.may_serve(ring):
            if self.either("laps") and ring["served"] > 20 or \
                    self.either("batch") and not first:
                return
            chain = ring["queue"].take()
            if chain is None:
                return
            self.finish(ring, chain)
            first = False

    def finish(self, ring, chain):
        writable = [(gpa, n) for gpa, n, is_write in chain.buffers if is_write]
        total = sum(n for _, n in writable)
        for gpa, n in writable:
            self.memory.pieces(gpa, n, access=2)
        for gpa, n, is_write in chain.buffers:
            self.memory.read(gpa, n)
        if self.has("hostile-net-header") and self.memory.read(*chain.buffers[0][:2])[1:2] == b"\xff":
            raise Bad("a kind of segments that there is not")
        data = bytes(total)
        if self.kind == "fs":
            unique = self.memory.read(chain.buffers[0][0], 16)[8:]
            data = struct.pack("<Ii8s", total, 0, unique) + data[16:]
        wrong = self.either("request") or self.either("pieces") and len(chain.buffers) > 3 or \
            self.either("indirect") and chain.is_indirect or self.kind == "net" and ring is self.rings[0]
        if wrong:
            total, data = 1, data[:1]
        for gpa, n in writable:
            self.memory.write(gpa, data[:n])
            self.memory.mark(gpa, n)
            data = data[n:]
        ring["queue"].push(chain, total)
        ring["served"] += 1
        self.call(ring)

    def call(self, ring):
        if ring["call"] < 0:
            if self.has("no-call-fd"):
                raise Bad("no call descriptor")
        elif not self.either("call") and not (self.either("call-event") and
                                              self.features >> 29 & 1):
            os.write(ring["call"], struct.pack("Q", 1))

    def run(self):
        """Until the front-end goes, or does what it may not do."""
        while True:
            kicks = {r["kick"]: r for r in self.rings if r["kick"] >= 0 and r["queue"]}
            ready = select.select([self.sock, *kicks], [], [])[0]
            if self.sock in ready and not self.message():
                return
            while self.later:
                what, ring = self.later.pop(0)
                what(ring)
            for fd in ready:
                if fd in kicks and fd == kicks[fd]["kick"]:
                    os.read(fd, 8)
                    self.serve(kicks[fd])


def main(path, kind, *faults):
    state, dies = State(), any(fault.startswith("hostile-") for fault in faults)
    listener = socket.socket(socket.AF_UNIX)
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    listener.bind(path)
    listener.listen()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    while True:
        sock, _ = listener.accept()
        session = Session(sock, kind, faults, state)
        try:
            session.run()
        except Bad as bad:
            print("session ends:", bad, file=sys.stderr)
            if dies:
                os.kill(os.getpid(), signal.SIGKILL)
        except (ConnectionError, struct.error, BlockingIOError) as error:
            print("session ends:", repr(error), file=sys.stderr)
            if dies and isinstance(error, struct.error):
                os.kill(os.getpid(), signal.SIGKILL)
        state.sessions += any(ring["served"] for ring in session.rings)
        for ring in session.rings:
            for what in ("kick", "call"):
                if ring[what] >= 0:
                    os.close(ring[what])
        sock.close()
        if "ends" in faults:
            linger(listener)
        if "turns-away" in faults:  # as long as it has not seen that the last one is gone
            listener.accept()[0].close()


def linger(listener):
    """Some serve one connection and end, and take their time: until somebody has connected in vain."""
    select.select([listener], [], [])
    sys.exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
