# SPDX-License-Identifier: MIT
"""The ways to serve: blocking, asyncio, a loop of one's own; signals; the command line."""

import asyncio
import contextlib
import os
import pathlib
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
import unittest.mock

import pytest

import pylibvu
from conftest import HANG, Echo, start_program
from pylibvu import testing

SCRIPT = """
import sys, pylibvu
device = pylibvu.Device(42, "child")
@device.queue(0)
def handler(req):
    {body}
    req.write(b"ok")
    req.complete()
try:
    pylibvu.serve(device, sys.argv[1])
except KeyboardInterrupt:
    print("interrupted")
print("end")
"""


def start(tmp_path, body="pass"):
    path = str(tmp_path / "sock")
    child = start_program([sys.executable, "-c", SCRIPT.format(body=body), path], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return path, child


def test_serve_takes_one_front_end_after_the_other(tmp_path):
    path, child = start(tmp_path)
    for _ in range(3):
        with testing.connect(path) as peer:
            assert peer.queue(0).request(writable=2) == b"ok"
    child.send_signal(signal.SIGTERM)
    assert child.communicate(timeout=HANG)[0].splitlines()[-1] == "end"
    assert child.returncode == 0 and not os.path.exists(path)


def test_ctrl_c_raises_keyboard_interrupt(tmp_path):
    path, child = start(tmp_path)
    with testing.connect(path) as peer:
        peer.queue(0).request(writable=2)
        child.send_signal(signal.SIGINT)
        assert child.communicate(timeout=HANG)[0].split() == ["interrupted", "end"]


def test_ctrl_c_in_a_handler_ends_serving_and_gives_requests_back(tmp_path):
    path, child = start(tmp_path, "import signal, os; os.kill(os.getpid(), signal.SIGINT)")
    with testing.connect(path) as peer:
        vq = peer.queue(0)
        vq.add(writable=2)
        vq.kick()
        assert "interrupted" in child.communicate(timeout=HANG)[0]
        assert not vq.used()


def test_a_handler_that_exits_ends_the_process(tmp_path):
    path, child = start(tmp_path, "sys.exit(3)")
    with testing.connect(path) as peer:
        vq = peer.queue(0)
        vq.add(writable=2)
        vq.kick()
        child.communicate(timeout=HANG)
    assert child.returncode == 3


def test_a_truncated_guest_is_survived(tmp_path):
    path, child = start(tmp_path, "req.writable[0][:2] = b'ok'")
    with testing.connect(path) as peer:
        vq = peer.queue(0)
        assert vq.request(writable=2) == b"ok"
        vq.add(writable=1 << 20)  # far behind the rings
        os.ftruncate(peer.memory.fd, 4096)
        vq.kick()
        with pytest.raises(testing.PeerError, match="closed"):
            vq.wait()
        os.ftruncate(peer.memory.fd, peer.memory.size)
    with testing.connect(path) as peer:
        assert peer.queue(0).request(writable=2) == b"ok"
    child.terminate()
    child.communicate(timeout=HANG)
    assert child.returncode == 0


def test_a_program_that_ends_while_a_daemon_thread_serves(tmp_path):
    path = str(tmp_path / "sock")
    script = SCRIPT.format(body="pass").replace("try:", "def serve():").split("except")[0] + """
import os, threading, time
threading.Thread(target=serve, daemon=True).start()
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
time.sleep(0.3)
"""
    child = subprocess.run([sys.executable, "-c", script, path], timeout=HANG, check=False)
    assert child.returncode == 0 and not os.path.exists(path)


def test_a_live_socket_is_not_taken_and_a_stale_one_is(tmp_path, echo):
    path = str(tmp_path / "sock")
    with socket.socket(socket.AF_UNIX) as live:
        live.bind(path)
        live.listen()
        with pytest.raises(OSError, match="in use"):
            pylibvu.serve(echo, path)
        with pytest.raises(OSError, match="in use"):
            asyncio.run(Echo().serve(path))
    runner = pylibvu.Runner()
    runner.listen(echo, path)
    runner.close()
    assert not os.path.exists(path)


def run_async(device, path, use):
    """Serves in this thread's loop, runs use(path) in another, returns its result."""
    async def main():
        service = asyncio.create_task(device.serve(path))
        try:
            return await asyncio.get_running_loop().run_in_executor(None, use, path)
        finally:
            service.cancel()
            await asyncio.gather(service, return_exceptions=True)
    return asyncio.run(main())


def test_async_handlers_wait_beside_each_other(tmp_path):
    device = pylibvu.Device(42, "async")
    waiting = []

    @device.queue(0)
    async def handler(req):
        waiting.append(req)
        while len(waiting) < 5:
            await asyncio.sleep(0.001)
        req.write(req.read()[::-1])
        req.complete()

    def use(path):
        with testing.connect(path) as peer:
            vq = peer.queue(0)
            added = [vq.add(b"<%d>" % n, 8) for n in range(5)]
            vq.kick()
            return [vq.wait(one).data for one in added]

    assert run_async(device, str(tmp_path / "s"), use) == [b">%d<" % n for n in range(5)]
    assert not os.path.exists(tmp_path / "s")


def test_plain_handlers_and_groups_work_under_asyncio(tmp_path):
    device = pylibvu.Device(42, "mixed", n_queues=2)
    names = set()

    def handler(req):
        names.add(threading.current_thread().name)
        req.write(b"ok")
        req.complete()

    device.queue(0)(handler)
    device.queue(1)(handler)
    device.group([1])

    def use(path):
        for _ in range(3):
            with testing.connect(path) as peer:
                assert peer.queue(0).request(writable=2) == peer.queue(1).request(writable=2)
        return "fine"

    assert run_async(device, str(tmp_path / "s"), use) == "fine"
    assert names == {"MainThread", "pylibvu-group"}


def test_requests_are_completed_later_from_other_tasks(tmp_path):
    device = pylibvu.Device(42, "later")
    kept = []

    @device.queue(0)
    async def handler(req):
        kept.append(req)
        if len(kept) == 3:
            asyncio.get_running_loop().call_later(0.01, finish)

    def finish():
        for req in reversed(kept):
            req.complete(0)
        kept.clear()

    def use(path):
        with testing.connect(path) as peer:
            vq = peer.queue(0)
            added = [vq.add(writable=1) for _ in range(3)]
            vq.kick()
            return [vq.wait(one).written for one in added]

    assert run_async(device, str(tmp_path / "s"), use) == [0, 0, 0]


def test_an_exception_in_a_task_fails_its_request(tmp_path, caplog):
    device = pylibvu.Device(42, "async")

    @device.queue(0)
    async def handler(req):
        await asyncio.sleep(0)
        raise LookupError("in a task")

    def use(path):
        with testing.connect(path) as peer:
            return peer.queue(0).request(writable=1)

    assert run_async(device, str(tmp_path / "s"), use) == b""
    assert "LookupError: in a task" in caplog.text and "Traceback" in caplog.text


def test_without_descriptors_the_event_loop_pauses_before_it_accepts_again(tmp_path, caplog):
    path = str(tmp_path / "s")
    accepts = []

    class Listener(socket.socket):
        def accept(self):
            accepts.append(self)
            return super().accept()

    async def main():
        device = Echo()
        service = asyncio.create_task(device.serve(path))
        while not os.path.exists(path):
            await asyncio.sleep(0.001)
        with socket.socket(socket.AF_UNIX) as front_end:
            limit = resource.getrlimit(resource.RLIMIT_NOFILE)
            highest = front_end.fileno()
            keep = []
            resource.setrlimit(resource.RLIMIT_NOFILE, (256, limit[1]))
            try:
                with contextlib.suppress(OSError):
                    while True:
                        keep.append(os.dup(highest))
                front_end.connect(path)
                while not caplog.records:
                    await asyncio.sleep(0.001)
                seen = len(accepts)
                for _ in range(20):
                    await asyncio.sleep(0)  # a listener that is ready and watched accepts now
                assert len(accepts) == seen == 1
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limit)
                for fd in keep:
                    os.close(fd)
            while not device.attached:
                await asyncio.sleep(0.001)
        service.cancel()
        await asyncio.gather(service, return_exceptions=True)

    with unittest.mock.patch("socket.socket", Listener):
        asyncio.run(main())
    assert [r.message for r in caplog.records if "not accepted" in r.message] == [
        "echo: front-end not accepted: [Errno 24] Too many open files; trying again"]


def test_cancelling_serve_ends_what_is_waiting(tmp_path):
    device = pylibvu.Device(42, "async")

    @device.queue(0)
    async def handler(req):
        await asyncio.sleep(1000)

    def use(path):
        peer = testing.connect(path)
        vq = peer.queue(0)
        added = vq.add(writable=1)
        vq.kick()
        with pytest.raises(testing.PeerError):
            vq.wait(added, timeout=0.1)
        return peer

    run_async(device, str(tmp_path / "s"), use).close()
    assert not device._tasks and device.queues[0].outstanding() == 0


def test_serve_once_returns_after_a_session(tmp_path):
    path = str(tmp_path / "s")

    async def main():
        device = Echo()
        service = asyncio.create_task(device.serve(path, once=True))
        await asyncio.get_running_loop().run_in_executor(None, use)
        await asyncio.wait_for(service, HANG)

    def use():
        with testing.connect(path) as peer:
            assert peer.queue(0).request(b"1", 1) == b"1"

    asyncio.run(main())


def test_a_loop_of_ones_own(echo):
    ours, theirs = socket.socketpair()
    echo.attach(theirs)
    results = []

    def front_end():
        with testing.Peer(ours) as peer:
            results.append(peer.queue(0).request(b"own", 3))

    thread = threading.Thread(target=front_end)
    thread.start()
    while echo.attached:
        select.select([echo.fileno()], [], [], HANG)
        while echo.process():
            pass
    thread.join()
    assert results == [b"own"]


def test_the_module_says_what_it_is():
    out = subprocess.run([sys.executable, "-m", "pylibvu"], check=True, text=True,
                         stdout=subprocess.PIPE).stdout
    assert f"pylibvu {pylibvu.__version__}\nlibvu {pylibvu.library_version()} " in out
    assert "queue_ready" in out and "asyncio" in out


def test_everything_public_has_a_docstring():
    import inspect

    for name in pylibvu.__all__:
        thing = getattr(pylibvu, name)
        if not (inspect.isclass(thing) or inspect.isfunction(thing)):
            continue
        assert thing.__doc__, name
        for member, value in vars(thing).items() if inspect.isclass(thing) else ():
            if member.startswith("_") or not (inspect.isfunction(value) or
                                              isinstance(value, property)):
                continue
            assert inspect.getdoc(value), f"{name}.{member}"
    assert pathlib.Path(pylibvu.__file__).with_name("py.typed").exists()


def test_the_global_lock_is_released_while_the_library_blocks(echo):
    with testing.served(echo):
        # The serving thread is blocked in C; with the lock it would let nobody run.
        assert threading.active_count() > 1
        assert sum(range(100000)) == 4999950000
