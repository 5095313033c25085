# SPDX-License-Identifier: MIT
"""A front-end that outlives its back-end, for devices whose QEMU device does not connect again.

QEMU is connected to a Keeper, and the Keeper to the back-end.  It passes messages on, remembers those
that make the session what it is, and keeps a log of requests in flight.  When the back-end goes it waits
for the next one to listen, and tells that all of it again.  QEMU notices nothing.
"""

import array
import contextlib
import os
import select
import socket
import struct
import threading
import time

(GET_FEATURES, SET_FEATURES, SET_OWNER, SET_MEM_TABLE, SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE,
 GET_VRING_BASE, SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR, GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES,
 GET_QUEUE_NUM, SET_VRING_ENABLE, GET_CONFIG, GET_INFLIGHT_FD, SET_INFLIGHT_FD, GET_MAX_MEM_SLOTS, ADD_MEM_REG,
 REM_MEM_REG, GET_STATUS) = (
     1, 2, 3, 5, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 24, 31, 32, 36, 37, 38, 40)
REPLIED = {GET_FEATURES, GET_VRING_BASE, GET_PROTOCOL_FEATURES, GET_QUEUE_NUM, GET_CONFIG, GET_INFLIGHT_FD,
           GET_MAX_MEM_SLOTS, GET_STATUS}
NEED_REPLY = 8
OF_A_RING = (SET_VRING_NUM, SET_VRING_BASE, SET_VRING_ADDR, SET_VRING_ERR, SET_VRING_CALL, SET_VRING_KICK)
# MQ, REPLY_ACK, RESET_DEVICE, CONFIGURE_MEM_SLOTS: what needs no channel of the back-end's.
PASSED_ON = 1 | 1 << 3 | 1 << 13 | 1 << 15
INFLIGHT_SHMFD = 1 << 12


class Gone(Exception):
    """The other side has closed the connection."""


class Descriptor:
    """Of a message; closed when nobody remembers that."""

    def __init__(self, number):
        self.number = number

    def __del__(self):
        os.close(self.number)


class Keeper:
    def __init__(self, backend, folder, queues, queue_size):
        self.socket = os.path.join(folder, "keeper.sock")
        self.connections = 0
        self._backend, self._queues, self._queue_size = backend.socket, queues, queue_size
        self._once, self._memory, self._rings, self._log = {}, [], {}, None
        self._ending = False
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.socket)
        self._listener.listen()
        self._front = self._back = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self):
        """The thread ends by itself: whatever it waits for comes to an end."""
        self._ending = True
        ends = [end for end in (self._listener, self._front, self._back) if end]
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        for end in (self._listener, self._front, self._back):
            if end:
                end.close()

    def _run(self):
        try:
            self._front, _ = self._listener.accept()
            self._connect()
            while not self._ending:
                ready = select.select([self._front, self._back], [], [], 0.2)[0]
                if self._back in ready:  # it says nothing by itself
                    self._connect()
                elif self._front in ready:
                    self._pass_on(*receive(self._front))
        except (Gone, OSError):
            pass  # QEMU has ended, or the test

    def _connect(self):
        """To the back-end, or the next one, until it hears all that was said before."""
        while not self._ending:
            if self._back:
                self._back.close()
            self._back = socket.socket(socket.AF_UNIX)
            try:
                self._back.connect(self._backend)
                self._say_again()
                self.connections += 1
                return
            except (Gone, OSError):
                time.sleep(0.02)
        raise Gone

    def _say_again(self):
        for request in (SET_OWNER, SET_PROTOCOL_FEATURES, SET_FEATURES):
            if request in self._once:
                self._tell(request, *self._once[request])
        for request, payload, fds in self._memory:
            self._tell(request, payload, fds)
        if self._log:
            self._tell(SET_INFLIGHT_FD, *self._log)
        for ring in self._rings.values():
            for request in OF_A_RING:
                if request in ring and SET_VRING_KICK in ring:
                    self._tell(request, *ring[request])
        for ring in self._rings.values():
            if SET_VRING_ENABLE in ring:
                self._tell(SET_VRING_ENABLE, *ring[SET_VRING_ENABLE])

    def _tell(self, request, payload, fds):
        send(self._back, request, 1, payload, fds)

    def _pass_on(self, request, flags, payload, fds):
        if request == SET_PROTOCOL_FEATURES:
            payload = struct.pack("=Q", struct.unpack("=Q", payload)[0] | INFLIGHT_SHMFD)
        if request == SET_VRING_KICK and not self._log:
            self._make_log()
        while True:
            try:
                send(self._back, request, flags, payload, fds)
                answer = receive(self._back) if request in REPLIED or flags & NEED_REPLY else None
                break
            except (Gone, OSError):
                self._connect()
        self._remember(request, payload, fds)
        if answer:
            _, flags, payload, fds = answer
            if request == GET_PROTOCOL_FEATURES:
                payload = struct.pack("=Q", struct.unpack("=Q", payload)[0] & PASSED_ON)
            send(self._front, request, flags, payload, fds)

    def _make_log(self):
        wanted = struct.pack("=QQHH", 0, 0, self._queues, self._queue_size)
        send(self._back, GET_INFLIGHT_FD, 1, wanted, [])
        _, _, payload, fds = receive(self._back)
        self._log = payload, fds
        self._tell(SET_INFLIGHT_FD, *self._log)

    def _remember(self, request, payload, fds):
        if request in (SET_OWNER, SET_PROTOCOL_FEATURES, SET_FEATURES):
            self._once[request] = payload, fds
        elif request == SET_MEM_TABLE:
            self._memory = [(request, payload, fds)]
        elif request == ADD_MEM_REG:
            self._memory.append((request, payload, fds))
        elif request == REM_MEM_REG:  # which it is, its guest address says
            self._memory = [m for m in self._memory if m[1][8:16] != payload[8:16]]
        elif request in OF_A_RING + (SET_VRING_ENABLE,):
            ring = self._rings.setdefault(payload[0], {})
            ring[request] = payload, fds
        elif request == GET_VRING_BASE:
            self._rings.get(payload[0], {}).pop(SET_VRING_KICK, None)


def receive(end):
    """One message: request, flags, payload, descriptors."""
    data, fds = read(end, 12)
    request, flags, size = struct.unpack("=III", data)
    payload, more = read(end, size)
    return request, flags, payload, fds + more


def read(end, size):
    data, fds = b"", []
    while len(data) < size:
        part, ancillary, _, _ = end.recvmsg(size - len(data), socket.CMSG_SPACE(8 * 4))
        for level, kind, more in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds += map(Descriptor, array.array("i", more[:len(more) // 4 * 4]))
        if not part:
            raise Gone
        data += part
    return data, fds


def send(end, request, flags, payload, fds):
    numbers = array.array("i", [fd.number for fd in fds])
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, numbers)] if fds else []
    end.sendmsg([struct.pack("=III", request, flags, len(payload)) + payload], rights)
