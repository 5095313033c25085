# SPDX-License-Identifier: MIT
"""The test peer against back-ends that are not Python's: QEMU's storage daemon, our C programs."""

import os
import pathlib
import shutil
import struct

import pytest

from conftest import start_program
from pylibvu import testing

BUILD = os.environ.get("PYLIBVU_BUILD_DIR", "build")


@pytest.fixture
def start(tmp_path):
    def run(*argv):
        path = str(tmp_path / "socket")
        start_program([a.format(socket=path, dir=tmp_path) for a in argv])
        return path
    return run


def blk(kind, sector, data=b"", room=0):
    """What a driver of virtio-blk sends, and the buffers that it offers."""
    header = struct.pack("<IIQ", kind, 0, sector)
    return [header, data] if data else [header], [room, 1] if room else [1]


@pytest.mark.skipif(not shutil.which("qemu-storage-daemon"), reason="qemu-storage-daemon: none")
def test_qemu_storage_daemon_reads_and_writes(start, tmp_path):
    image = tmp_path / "image"
    image.write_bytes(bytes(range(256)) * 4096)
    path = start("qemu-storage-daemon", "--blockdev", f"driver=file,node-name=n,filename={image}",
                 "--export", "type=vhost-user-blk,id=e,node-name=n,addr.type=unix,"
                 "addr.path={socket},writable=on,num-queues=2")
    with testing.connect(path) as peer:
        assert peer.queue_num() == 2
        assert struct.unpack("<Q", peer.config(0, 8))[0] == 2048
        for index in (0, 1):
            vq = peer.queue(index)
            assert vq.request(*blk(0, 2, room=512)) == bytes(range(256)) * 2 + b"\0"
        assert vq.request(*blk(1, 8, b"new " * 128)) == b"\0"
        assert vq.request(*blk(0, 8, room=512)) == b"new " * 128 + b"\0"
    assert image.read_bytes()[4096:4608] == b"new " * 128


def test_our_rng_in_c(start):
    program = pathlib.Path(BUILD) / "examples" / "vu-rng"
    if not program.exists():
        pytest.skip(f"{program}: not built")
    with testing.connect(start(str(program), "--socket-path={socket}")) as peer:
        data = peer.queue(0).request(writable=64)
    assert len(data) == 64 and len(set(data)) > 20


def test_requests_that_are_completed_together_are_waited_for_one_by_one(start):
    program = pathlib.Path(BUILD) / "examples" / "vu-rng"
    if not program.exists():
        pytest.skip(f"{program}: not built")
    with testing.connect(start(str(program), "--socket-path={socket}")) as peer:
        vq = peer.queue(0)
        added = [vq.add(writable=8) for _ in range(4)]
        vq.kick()
        assert vq.wait(added[3]) is added[3]
        assert [vq.wait() for _ in range(2)] == added[:2]
        assert vq.used() == [added[2]]
        assert vq.used() == []
