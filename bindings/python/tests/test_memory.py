# SPDX-License-Identifier: MIT
"""Guest memory by address."""

import struct

import pytest

import pylibvu
from conftest import Echo, guest_mappings
from pylibvu import testing

BASE = testing.GUEST_BASE


class Watching(Echo):
    """Notes each change, and looks at memory in requests of queue 1."""

    def __init__(self):
        super().__init__()
        self.seen = []
        self.found = []

    def memory_changed(self):
        memory = self.memory()
        self.seen.append(None if memory is None else memory.regions)

    @pylibvu.queue(1)
    def look(self, req):
        address, length = req.unpack("<QQ")
        with req, self.memory() as memory:
            self.found.append(b"".join(memory.views(address, length)))
            for view in memory.views(address, length):
                view[:] = b"!" * len(view)
            req.write(b"ok")


def test_memory_is_told_when_it_changes_and_has_regions():
    device = Watching()
    assert device.memory() is None
    with testing.served(device, memory=1 << 20) as peer:
        peer.queue(0).request(b"x", 1)
        assert device.seen == [((BASE, 1 << 20),)]
        assert device.seen[0][0].address == BASE and device.seen[0][0].length == 1 << 20
    assert device.memory() is None
    device.close()


def test_a_range_of_guest_addresses_is_read_and_written():
    device = Watching()
    with testing.served(device) as peer:
        at = peer.memory.allocate(64)
        peer.memory.view[at:at + 5] = b"hello"
        assert peer.queue(1).request(struct.pack("<QQ", BASE + at, 5), 2) == b"ok"
        assert device.found == [b"hello"]
        assert bytes(peer.memory.view[at:at + 6]) == b"!!!!!\0"
    device.close()


def test_what_is_no_guest_memory_is_an_index_error(echo):
    with testing.served(echo, memory=1 << 20) as peer:
        peer.queue(0).request(b"x", 1)
        found = []

        def look():
            with echo.memory() as memory:
                assert memory.views(BASE, 0) == ()
                for address, length in ((BASE - 1, 1), (BASE, (1 << 20) + 1), (0, 1), (-1, 1),
                                        (BASE, -1), (BASE, 1 << 64), (1 << 64, 1),
                                        ((1 << 64) - 1, 2)):
                    with pytest.raises(IndexError):
                        memory.views(address, length)
                assert len(memory.views(BASE + (1 << 20) - 1, 1)[0]) == 1
            with pytest.raises(ValueError):
                memory.views(BASE, 1)
            found.append(True)

        echo.call(look)
        peer.queue(0).request(b"x", 1)
        assert found == [True]


def test_views_outlive_reference_session_and_device():
    before = guest_mappings()
    device = Echo()
    kept = []

    def keep():
        with device.memory() as memory:
            kept.extend(memory.views(BASE + 4096, 4096))

    with testing.served(device) as peer:
        peer.queue(0).request(b"x", 1)
        device.call(keep)
        peer.queue(0).request(b"x", 1)
        peer.memory.view[4096:4100] = b"seen"
    device.close()
    del device, peer
    assert guest_mappings() == before + 1
    assert bytes(kept[0][:4]) == b"seen" and len(kept[0]) == 4096
    part = kept.pop()[1:2]
    part[0] = 7
    assert guest_mappings() == before + 1
    del part
    assert guest_mappings() == before


def test_memory_is_the_device_threads(echo):
    with testing.served(echo) as peer:
        peer.queue(0).request(b"x", 1)
        with pytest.raises(pylibvu.WrongThread):
            echo.memory()


def test_an_exception_in_memory_changed_is_logged(caplog):
    class Clumsy(Echo):
        def memory_changed(self):
            raise RuntimeError("clumsy")

    device = Clumsy()
    with testing.served(device) as peer:
        assert peer.queue(0).request(b"x", 1) == b"x"
    device.close()
    assert "memory_changed" in caplog.text
