# SPDX-License-Identifier: MIT
"""What only some classes of devices have: messages beside virtio, state, answers that come later."""

import errno
import os
import threading
import uuid

import pylibvu
import pytest
from conftest import HANG, open_fds
from pylibvu import testing
from pylibvu.class_messages import (SHARED_OBJECT_ADD, SHARED_OBJECT_LOOKUP,
                                    SHARED_OBJECT_REMOVE)

OBJECT = uuid.UUID(int=0x1234)


class Plain(pylibvu.Device):
    device_id = 42
    n_queues = 1


class Net(Plain):
    def __init__(self):
        super().__init__()
        self.heard = []

    def set_mtu(self, mtu):
        if mtu < 68:
            raise pylibvu.Refused(f"an MTU of {mtu}")
        self.heard.append(mtu)

    def send_rarp(self, mac):
        self.heard.append(mac)


class Counter(Plain):
    state_version = 3

    def __init__(self, count=0):
        super().__init__()
        self.count, self.version, self.names = count, None, []

    def save_state(self, state):
        state.put(1, self.count)
        for name in b"one", b"two":
            state.put(2, name)
        state.put(3, b"a hint", optional=True)
        self.kept = state

    def load_state(self, state):
        self.count, self.version = state.get_int(1), state.version
        self.names = [state.get(2, 0), state.get(2, 1), state.get(2, 2)]


def test_what_is_overridden_is_what_is_offered():
    with testing.served(Plain()) as peer:
        assert not peer.protocol & sum(1 << b for b in (2, 4, 7, 18, 19))
    with testing.served(Net()) as peer:
        assert peer.protocol & (1 << 2 | 1 << 4) == 1 << 2 | 1 << 4

    class OnlyMtu(Plain):
        def set_mtu(self, mtu):
            pass

    with testing.served(OnlyMtu()) as peer:
        assert peer.protocol & (1 << 2 | 1 << 4) == 1 << 4


def test_net_devices_hear_mtu_and_address():
    device = Net()
    with testing.served(device) as peer:
        peer.set_mtu(1500)
        peer.send_rarp(b"\x52\x54\0\x12\x34\x56")
        with pytest.raises(testing.PeerError):
            peer.set_mtu(60)
    assert device.heard == [1500, b"\x52\x54\0\x12\x34\x56"]


def test_state_moves_from_one_device_to_another():
    source, destination = Counter(1 << 40), Counter()
    with testing.served(source) as peer:
        peer.queue(0).stop()
        state = peer.save_state()
    with pytest.raises(RuntimeError):
        source.kept.put(1, 1)
    with testing.served(destination) as peer:
        peer.load_state(state)
    assert destination.count == 1 << 40
    assert destination.version == 3
    assert destination.names == [b"one", b"two", None]


def test_a_state_that_cannot_be_is_refused():
    class Odd(Counter):
        def save_state(self, state):
            state.put(1, b"no number")

    with testing.served(Odd()) as peer:
        state = peer.save_state()
    with testing.served(Counter()) as peer:
        for bad in (b"", b"nonsense", state, state[:-1]):
            with pytest.raises(testing.PeerError):
                peer.load_state(bad)
        assert peer.protocol & 1 << 19  # it lives

    class Failing(Counter):
        max_state = 4096

        def save_state(self, state):
            with pytest.raises(OSError) as error:
                state.put(1, bytes(5000))
            assert error.value.errno == errno.EFBIG

    with testing.served(Failing()) as peer:
        with pytest.raises(testing.PeerError):
            peer.save_state()


def test_an_answer_may_come_later_from_any_thread():
    class Slow(Counter):
        def save_state(self, state):
            later = pylibvu.Later()

            def work():
                state.put(1, 77)
                assert later.give()
                with pytest.raises(RuntimeError):
                    later.give()

            self.thread = threading.Thread(target=work)
            self.thread.start()
            return later

        def load_state(self, state):
            later = pylibvu.Later()
            self.count = state.get_int(1)
            later.fail(errno.EBUSY)  # before it returns
            return later

    device = Slow()
    with testing.served(device) as peer:
        state = peer.save_state()
        device.thread.join()
        with pytest.raises(testing.PeerError):
            peer.load_state(state)
    assert device.count == 77


def test_an_answer_that_is_forgotten_is_an_error():
    class Forgetful(Net):
        def set_mtu(self, mtu):
            return pylibvu.Later()

    with testing.served(Forgetful()) as peer:
        with pytest.raises(testing.PeerError):
            peer.set_mtu(1500)


def test_an_answer_that_nobody_hears_says_so():
    class Slow(Net):
        def set_mtu(self, mtu):
            self.later = pylibvu.Later()
            asked.set()
            return self.later

    asked, device = threading.Event(), Slow()
    with testing.served(device) as peer:
        peer.sock.settimeout(0.05)
        with pytest.raises(testing.PeerError):
            peer.set_mtu(1500)
        assert asked.wait(HANG)
    assert not device.later.give()
    device.close()


def test_crypto_sessions():
    class Crypto(Plain):
        def __init__(self):
            super().__init__()
            self.sessions = {}

        def create_crypto_session(self, session):
            if session.op_code == 0x404 and session.key_type > 2:
                raise OSError(errno.EINVAL, "no such key")
            self.sessions[7] = session
            return 7

        def close_crypto_session(self, session_id):
            del self.sessions[session_id]

    device = Crypto()
    with testing.served(device) as peer:
        assert peer.create_cipher_session(3, b"k" * 32) == 7
        assert device.sessions[7].key == b"k" * 32
        assert (device.sessions[7].op_code, device.sessions[7].alg) == (2, 3)
        peer.close_crypto_session(7)
        assert not device.sessions
        with pytest.raises(testing.PeerError):
            peer.close_crypto_session(7)
        assert peer.create_asymmetric_session(1, b"p" * 1024, 1) == 7
        with pytest.raises(testing.PeerError):
            peer.create_asymmetric_session(1, b"p", 3)


def test_a_graphics_device_gets_its_socket():
    class Gpu(Plain):
        def set_gpu_socket(self, sock):
            self.sock = sock
            sock.sendall(b"hello")

    device = Gpu()
    with testing.served(device) as peer, peer.gpu_socket() as sock:
        assert sock.recv(5) == b"hello"
    device.sock.close()


class Display(Plain):
    def set_gpu_socket(self, sock):
        self.sock, self.other = sock, sock.dup()
        sock.sendall(b"hello")

    def session_end(self, why):
        self.close_fd(self.sock)


def test_what_a_front_end_sent_is_closed_for_all_who_hold_it():
    device = Display()
    with testing.served(device) as peer:
        sock = peer.gpu_socket()
        assert sock.recv(5) == b"hello"
        with pytest.raises(pylibvu.WrongThread):
            device.close_fd(device.sock)
        assert device.sock.fileno() >= 0
    assert device.sock.fileno() == -1
    with sock, device.other, pytest.raises(BrokenPipeError):
        sock.sendall(b"nobody hears it")
    device.close()


def test_a_descriptor_is_closed_once_and_a_closed_device_closes_none():
    device = Plain()
    number, other = os.memfd_create("sent"), os.memfd_create("sent, too")
    device.close_fd(number)
    for closed in number, -1:
        with pytest.raises((OSError, ValueError)):
            device.close_fd(closed)
    device.close()
    with pytest.raises(pylibvu.DeviceClosed):
        device.close_fd(other)
    os.close(other)


class Sharer(Plain):
    def __init__(self):
        super().__init__()
        self.file = os.memfd_create("object")
        self.results, self.changed = [], threading.Semaphore(0)

    def shared_object(self, uuid):
        return self.file if uuid == OBJECT else None

    def done(self, result):
        self.results.append(result)
        self.changed.release()


def test_shared_objects_both_ways():
    before = open_fds()
    device = Sharer()
    with testing.served(device) as peer:
        fd = peer.shared_object(OBJECT)
        assert os.fstat(fd).st_ino == os.fstat(device.file).st_ino
        assert peer.shared_object(uuid.UUID(int=1)) is None
        assert peer.shared_object(None) is None  # as QEMU asks
        device.share(OBJECT, device.done)  # it is suspended
        device.changed.acquire()
        assert device.results.pop().errno == errno.ESHUTDOWN
        peer.queue(0)
        for send, request in ((device.share, SHARED_OBJECT_ADD),
                              (device.unshare, SHARED_OBJECT_REMOVE)):
            send(OBJECT, device.done)
            assert peer.backend_request() == (request, OBJECT.bytes)
            peer.answer_backend(request)
            device.changed.acquire()
            assert device.results.pop() == 0
        device.lookup(OBJECT, device.done)
        assert peer.backend_request() == (SHARED_OBJECT_LOOKUP, OBJECT.bytes)
        peer.answer_backend(SHARED_OBJECT_LOOKUP, 0, [fd])
        device.changed.acquire()
        found = device.results.pop()
        assert os.fstat(found).st_ino == os.fstat(device.file).st_ino
        os.close(found)
        device.lookup(OBJECT, device.done)  # it leaves without an answer
        os.close(fd)
        peer.backend_request()
    device.changed.acquire()
    assert device.results.pop().errno == errno.ENOTCONN
    os.close(device.file)
    device.close()
    del device, send, peer
    assert open_fds() == before
