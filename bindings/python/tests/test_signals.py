# SPDX-License-Identifier: MIT
"""A signal handler of the program that raises an exception ends serving, wherever it struck."""

import os
import subprocess
import sys

import pytest

from conftest import HANG, start_program
from pylibvu import testing

SIGNALS = """
import asyncio, functools, os, signal, sys, time, pylibvu


class Ended(Exception):
    pass


def plain(number, frame):
    signal.signal(number, signal.SIG_DFL)
    cleanup()


def cleanup():
    raise Ended("on a signal")


class Callable:
    def __call__(self, number, frame):
        cleanup()

    def method(self, number, frame):
        cleanup()


kinds = {"function": plain, "lambda": lambda *_: cleanup(), "object": Callable(),
         "method": Callable().method, "partial": functools.partial(lambda a, *b: cleanup(), 1)}
signal.signal(signal.SIGTERM, kinds[sys.argv[2]])
device = pylibvu.Device(42, "child")


def hit():
    os.kill(os.getpid(), signal.SIGTERM)
    for _ in range(1000):
        time.sleep(0.001)


def handle(req):
    text = req.read()
    if text == b"hit":
        hit()
    elif text == b"own":
        here = sys._getframe(0)
        raise Ended("by itself", here, here.f_back)
    elif text == b"caught":
        try:
            hit()
        except Ended:
            signal.signal(signal.SIGTERM, kinds[sys.argv[2]])
    elif text == b"call":
        device.call(hit)
    req.write(b"ok")
    req.complete()


async def later(req):
    await asyncio.sleep(0)
    handle(req)


def pull(queue):
    for req in queue:
        handle(req)


def batch(reqs):
    for req in reqs:
        handle(req)


device.queue(0, batch=sys.argv[3] == "batch", pull=sys.argv[3] == "pull")(
    {"batch": batch, "pull": pull, "async": later}.get(sys.argv[3], handle))
try:
    if sys.argv[3] == "async":
        asyncio.run(device.serve(sys.argv[1]))
    else:
        pylibvu.serve(device, sys.argv[1])
except Ended as error:
    print("ended", error)
"""


@pytest.mark.parametrize("how", ["plain", "batch", "pull", "async"])
@pytest.mark.parametrize("kind", ["function", "lambda", "object", "method", "partial"])
def test_what_a_signal_handler_raises_comes_out_of_serve(tmp_path, kind, how):
    path = str(tmp_path / "sock")
    for text in (b"hit", b"call"):
        child = start_program([sys.executable, "-c", SIGNALS, path, kind, how], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        with testing.connect(path) as peer:
            vq = peer.queue(0)
            if how != "pull":
                assert vq.request(b"own", 8) == b""  # a handler's own exception ends the request
            assert vq.request(b"caught", 8) == b"ok"
            vq.add(text, 8)
            vq.kick()
            out = child.communicate(timeout=HANG)[0]
        assert "ended on a signal" in out and child.returncode == 0
        assert out.count("Traceback") == (how != "pull")
        assert not os.path.exists(path)


def test_what_a_signal_handler_raises_while_nothing_happens_comes_out_of_serve(tmp_path):
    path = str(tmp_path / "sock")
    child = start_program([sys.executable, "-c", SIGNALS, path, "function", "plain"], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    with testing.connect(path) as peer:
        peer.queue(0).request(b"plain", 8)
    child.terminate()
    assert child.communicate(timeout=HANG)[0] == "ended on a signal\n"
