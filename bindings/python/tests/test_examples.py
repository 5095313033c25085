# SPDX-License-Identifier: MIT
"""The examples with the test peer; tests/guest/python_*.py shows them to real drivers."""

import importlib.util
import pathlib
import socket
import struct
import subprocess
import sys

import pytest

from conftest import HANG, start_program
from pylibvu import testing

EXAMPLES = pathlib.Path(__file__).resolve().parents[1] / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_is_under_80_lines():
    for path in EXAMPLES.glob("*.py"):
        assert len(path.read_text().splitlines()) < 80, path


def test_rng_serves_random_bytes_and_those_of_a_file(tmp_path):
    rng = load("rng")
    with testing.served(rng.Rng()) as peer:
        assert len(set(peer.queue(0).request(writable=[64, 64]))) > 30
    (tmp_path / "f").write_bytes(b"abcd")
    with open(tmp_path / "f", "rb") as source, testing.served(rng.Rng(source)) as peer:
        assert [peer.queue(0).request(writable=3) for _ in range(3)] == [b"abc", b"d", b"abc"]


def test_rng_is_told_what_to_serve(tmp_path):
    rng = load("rng").Rng()
    (tmp_path / "f").write_bytes(b"abcd")
    with rng.controlled(str(tmp_path / "control")), testing.served(rng) as peer, \
            socket.socket(socket.AF_UNIX) as client:
        client.settimeout(HANG)
        client.connect(str(tmp_path / "control"))
        lines = client.makefile()

        def ask(line):
            client.sendall(line.encode() + b"\n")
            return lines.readline().rstrip()

        assert ask(f"source {tmp_path / 'f'}") == "ok"
        assert peer.queue(0).request(writable=4) == b"abcd"
        assert ask("bytes") == "4" and lines.readline() == "ok\n"
        assert peer.queue(0).request(writable=4) == b"abcd"
        assert lines.readline() == "* the file begins again\n"
        assert ask("source /nowhere/f") == "error: /nowhere/f: No such file or directory"
        assert ask("source") == "ok"
        assert len(set(peer.queue(0).request(writable=128))) > 30


def test_rng_as_a_program_takes_commands_from_standard_input(tmp_path):
    child = start_program([sys.executable, str(EXAMPLES / "rng.py"), str(tmp_path / "socket"),
                           "--control", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True)
    child.stdin.write("bytes\nsource\n")
    child.stdin.flush()
    assert [child.stdout.readline() for _ in range(3)] == ["0\n", "ok\n", "ok\n"]
    with testing.connect(str(tmp_path / "socket")) as peer:
        assert len(set(peer.queue(0).request(writable=128))) > 30
    child.terminate()
    assert child.wait(HANG) == 0


def blk(kind, sector, data=b"", room=0):
    return [struct.pack("<IIQ", kind, 0, sector), data], [room, 1]


def test_blk_reads_writes_and_fails_on_command(caplog):
    module = load("blk")
    disk = module.Blk(bytearray(1 << 16), fail_at=3)
    with testing.served(disk) as peer:
        vq = peer.queue(0)
        assert struct.unpack("<Q", peer.config(0, 8)) == (128,)
        assert vq.request(*blk(1, 5, b"x" * 1024)) == b"\0"
        assert vq.request(*blk(0, 4, room=1024)) == bytes(512) + b"x" * 512 + b"\0"
        assert vq.request(*blk(1, 5, b"y" * 512)) == b"\0"
        assert vq.request(*blk(1, 5, b"z" * 512)) == b"\1"
        assert vq.request(*blk(0, 5, room=512)) == b"y" * 512 + b"\0"
        disk.fail_at = 0
        assert vq.request(*blk(1, 127, b"z" * 512)) == b"\0"
        for wrong in (blk(1, 127, b"z" * 1024), blk(0, 128, room=512), blk(0, 1 << 60, room=1)):
            assert vq.request(*wrong)[-1:] == b"\1"
        assert vq.request(*blk(4, 0)) == b"\0" and vq.request(*blk(99, 0)) == b"\2"
        assert vq.request(*blk(8, 0, room=20)) == b"bytearray".ljust(20, b"\0") + b"\0"
        assert not caplog.records
        assert vq.request(b"short", 1) == b"\1"


def test_keyboard_types_and_keeps_what_finds_no_buffer():
    module = load("keyboard")
    keyboard = module.Keyboard({30, 48})
    with testing.served(keyboard) as peer:
        peer.set_config(0, b"\x01\x00")
        assert peer.config(0, 24)[2] == 16 and peer.config(8, 16) == b"pylibvu keyboard"
        peer.set_config(0, b"\x11\x01")
        assert peer.config(8, 7) == (1 << 30 | 1 << 48).to_bytes(7, "little")
        vq = peer.queue(0)
        two = [vq.add(writable=8) for _ in range(2)]
        vq.kick()
        keyboard.call(keyboard.type, [30])
        events = [vq.wait(one).data for one in two]
        events += [vq.request(writable=8) for _ in range(2)]
        assert [struct.unpack("<HHI", e) for e in events] == \
            [(1, 30, 1), (0, 0, 0), (1, 30, 0), (0, 0, 0)]
        assert peer.queue(1).request(b"12345678") == b""


def test_i2c_eeprom_reads_and_writes_like_the_chip():
    module = load("i2c_eeprom")
    bus = module.I2c({0x50: module.Eeprom(b"hello")})
    with testing.served(bus) as peer:
        vq = peer.queue(0)

        def transfer(address, data=b"", room=0, flags=0):
            return vq.request([struct.pack("<HHI", address << 1, 0, flags), data], [room, 1])

        assert transfer(0x50, b"\1") == b"\0"
        assert transfer(0x50, room=3, flags=2) == b"ell\0"
        assert transfer(0x50, b"\0J") == b"\0"
        assert transfer(0x50, b"\0") == b"\0" and transfer(0x50, room=2, flags=2) == b"Je\0"
        assert transfer(0x51, room=2, flags=2)[-1:] == b"\1"
        first = vq.add([struct.pack("<HHI", 0x51 << 1, 0, 1), b"\0"], 1)
        second = vq.add([struct.pack("<HHI", 0x50 << 1, 0, 0), b"\0X"], 1)
        vq.kick()
        assert (vq.wait(first).data, vq.wait(second).data) == (b"\1", b"\1")
        assert bytes(bus.chips[0x50].data[:5]) == b"Jello"


@pytest.mark.parametrize("name", sorted(p.stem for p in EXAMPLES.glob("*.py")))
def test_each_says_how_it_is_used(name):
    assert "SOCKET" in load(name).__doc__
