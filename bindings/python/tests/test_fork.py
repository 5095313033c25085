# SPDX-License-Identifier: MIT
"""Children: what fork(), multiprocessing and subprocess may do to the program that serves."""

import copy
import multiprocessing
import os
import pathlib
import pickle
import signal
import socket
import subprocess
import sys
import time

import pytest

import pylibvu
from conftest import HANG, Echo, make, start_program
from pylibvu import testing

SCRIPT = """
import asyncio, multiprocessing, os, signal, sys, threading, time
import pylibvu

PATH = sys.argv[1]
device = pylibvu.Device(42, "parent")


@device.queue(0)
def handler(req):
    kind = req.read()
    if kind != b"plain":
        globals()[kind.decode()](req)
    else:
        req.write(b"ok")
        req.complete()


def wait(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def sleeper():
    time.sleep(1000)

{functions}
{serve}
print("end", flush=True)
"""
BLOCKING = "pylibvu.serve(device, PATH)"
ASYNCIO = """
async def main():
    service = asyncio.ensure_future(device.serve(PATH))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, service.cancel)
    try:
        await service
    except asyncio.CancelledError:
        pass
asyncio.run(main())
"""


class Program:
    """A program that serves at `path`, and prints what it is up to."""

    def __init__(self, tmp_path, functions="", serve=BLOCKING):
        self.path = str(tmp_path / "socket")
        self.log = tmp_path / "log"
        with open(self.log, "wb") as log:
            self.child = start_program(
                [sys.executable, "-c", SCRIPT.format(functions=functions, serve=serve), self.path],
                stdout=log, stderr=log)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()
        print(self.text())

    def text(self):
        return self.log.read_text()

    def end(self):
        """As a service manager ends it: by SIGTERM, and it obeys."""
        self.child.terminate()
        assert self.child.wait(timeout=HANG) == 0
        assert self.text().splitlines()[-1] == "end"


@pytest.mark.parametrize("serve", [BLOCKING, ASYNCIO], ids=["serve", "asyncio"])
@pytest.mark.parametrize("end", ["sys.exit(3)", "raise SystemExit(3)"])
def test_a_child_that_a_handler_forked_exits_and_the_parent_serves_on(tmp_path, serve, end):
    functions = f"""
def fork(req):
    pid = os.fork()
    if pid == 0:
        {end}
    req.write(b"%d" % wait(pid))
    req.complete()
"""
    with Program(tmp_path, functions, serve) as program:
        with testing.connect(program.path) as peer:
            for _ in range(3):
                assert peer.queue(0).request(b"fork", 8) == b"3"
                assert peer.queue(0).request(b"plain", 8) == b"ok"
        with testing.connect(program.path) as peer:
            assert peer.queue(0).request(b"plain", 8) == b"ok"
        program.end()


def test_a_child_forked_by_another_thread_exits_and_the_parent_serves_on(tmp_path):
    serve = """
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
threading.Thread(target=pylibvu.serve, args=(device, PATH), daemon=True).start()
while not os.path.exists(PATH):
    time.sleep(0.01)
for _ in range(5):
    pid = os.fork()
    if pid == 0:
        sys.exit(7)
    print("child", wait(pid), flush=True)
signal.sigwait({signal.SIGTERM})
"""
    with Program(tmp_path, serve=serve) as program:
        while program.text().count("child 7") < 5:
            assert program.child.poll() is None
            time.sleep(0.05)
        with testing.connect(program.path) as peer:
            assert peer.queue(0).request(b"plain", 8) == b"ok"
        program.end()


def test_a_child_that_raises_or_returns_in_a_handler_ends_and_says_why(tmp_path):
    functions = """
def fork(req):
    pid = os.fork()
    if pid == 0:
        raise LookupError("in the child")
    req.write(b"%d" % wait(pid))
    req.complete()

def back(req):
    pid = os.fork()
    if pid:
        req.write(b"%d" % wait(pid))
        req.complete()
    else:
        try:
            req.complete(8)
        except pylibvu.DeviceClosed as error:
            print("refused:", error)

def block(req):
    with req:
        pid = os.fork()
        if pid == 0:
            sys.exit("a last word")
        req.write(b"%d" % wait(pid))
"""
    with Program(tmp_path, functions) as program:
        with testing.connect(program.path) as peer:
            assert peer.queue(0).request(b"fork", 8) == b"1"
            assert peer.queue(0).request(b"back", 8) == b"1"
            assert peer.queue(0).request(b"block", 8) == b"1"
            assert peer.queue(0).request(b"plain", 8) == b"ok"
        program.end()
        text = program.text()
    assert "LookupError: in the child" in text and "a last word" in text
    assert "refused: parent was made before fork()" in text
    assert "a callback returned in a child of fork()" in text


def test_multiprocessing_works_in_handlers_and_terminate_ends_such_a_child(tmp_path):
    functions = """
def work(req):
    child = multiprocessing.get_context("fork").Process(target=sleeper)
    child.start()
    time.sleep(0.05)
    child.terminate()
    child.join()
    req.write(b"%d" % child.exitcode)
    req.complete()
"""
    with Program(tmp_path, functions) as program:
        with testing.connect(program.path) as peer:
            assert peer.queue(0).request(b"work", 8) == b"-15"
            assert peer.queue(0).request(b"plain", 8) == b"ok"
        program.end()


@pytest.mark.parametrize("serve", [BLOCKING, ASYNCIO], ids=["serve", "asyncio"])
def test_a_front_end_hears_of_the_end_though_a_forked_child_lives_on(tmp_path, serve):
    functions = """
def fork(req):
    pid = os.fork()
    if pid == 0:
        sleeper()
    req.write(b"%d" % pid)
    req.complete()
"""
    with Program(tmp_path, functions, serve) as program:
        with testing.connect(program.path) as peer, socket.socket(socket.AF_UNIX) as waiting:
            pid = int(peer.queue(0).request(b"fork", 8))
            try:
                waiting.settimeout(HANG)
                waiting.connect(program.path)  # and nobody has accepted it
                os.link(program.path, program.path + ".2")
                program.end()
                peer.sock.settimeout(HANG)
                assert peer.sock.recv(1) == b""
                assert waiting.recv(1) == b""
                with socket.socket(socket.AF_UNIX) as late, pytest.raises(ConnectionRefusedError):
                    late.connect(program.path + ".2")
                assert pathlib.Path(f"/proc/{pid}").exists()
            finally:
                os.kill(pid, signal.SIGKILL)


def in_a_child(function):
    """What function() returns, or raises as text, in a child of fork()."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            text = str(function())
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"
        os.write(write, text.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        text = pipe.read().decode()
    os.waitpid(pid, 0)
    return text


def test_in_the_child_the_device_is_the_parents_and_says_so():
    kept = []
    device = make(kept.append)
    group = device.group([1])
    with testing.served(device) as peer:
        vq = peer.queue(0)
        added = vq.add(writable=4)
        vq.kick()
        while not kept:
            time.sleep(0.001)
        for use in (device.process, lambda: device.attached, group.arm, lambda: kept[0].complete(4),
                    lambda: device.call(print), lambda: device.timer(print),
                    device.queues[0].next, lambda: device.config[0:0], lambda: device.negotiated):
            assert in_a_child(use).startswith("DeviceClosed: ")
        assert "dut was made before fork()" in in_a_child(device.process)
        assert in_a_child(device.close) == "None"
        assert in_a_child(lambda: kept[0].fail() or kept.clear()) == "None"
        kept[0].complete(0)
        assert vq.wait(added).written == 0


def test_the_child_may_serve_a_device_of_its_own(tmp_path, echo):
    with testing.served(echo):
        def serve():
            mine = Echo()
            with testing.served(mine) as peer:
                return peer.queue(0).request(b"mine", 4)

        assert in_a_child(serve) == "b'mine'"
        with testing.served(Echo()) as peer:
            assert peer.queue(0).request(b"abc", 3) == b"abc"


def test_a_program_that_is_started_gets_no_descriptor_of_ours(tmp_path, echo):
    def inherited():
        return subprocess.run(["/bin/ls", "/proc/self/fd"], close_fds=False, check=True, text=True,
                              stdout=subprocess.PIPE).stdout.split()

    echo.group([1])
    before, ours = inherited(), len(os.listdir("/proc/self/fd"))
    with pylibvu.Runner() as runner, testing.served(Echo()):
        runner.listen(echo, str(tmp_path / "socket"))
        assert len(os.listdir("/proc/self/fd")) > ours + 4
        assert inherited() == before


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, pickle.dumps],
                         ids=["copy", "deepcopy", "pickle"])
def test_what_stands_for_one_thing_is_neither_copied_nor_pickled(how, tmp_path, recwarn):
    kept = []
    device = make(kept.append)
    group = device.group([1])
    with testing.served(device) as peer, pylibvu.Runner() as runner:
        vq = peer.queue(0)
        vq.add(writable=4)
        vq.kick()
        while not kept:
            time.sleep(0.001)
        watch = pylibvu.Device(1).timer(print)
        for thing in (device, device.core, device.queues[0], kept[0], group, runner, watch,
                      device.config, peer, vq, peer.memory):
            with pytest.raises(TypeError, match=f"{type(thing).__name__} is neither copied nor"):
                how(thing)
        kept[0].complete(0)
    assert not recwarn.list


def test_multiprocessing_by_spawn_refuses_a_device_as_an_argument(echo):
    with pytest.raises(TypeError, match="Echo is neither copied nor pickled"):
        multiprocessing.get_context("spawn").Process(target=print, args=(echo,)).start()
