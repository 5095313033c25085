# SPDX-License-Identifier: MIT
"""Devices and helpers that several files use."""

import ctypes
import gc
import logging
import os
import pathlib
import signal
import subprocess

import pytest

import pylibvu
from pylibvu import testing

HANG = 600  # seconds, to find out that nothing comes: only what hangs takes so long
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)
children = []


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes more than a second")


class Echo(pylibvu.Device):
    """Queue 0 answers with what it was sent; queue 1 is left to the test."""

    device_id = 42
    n_queues = 2

    @pylibvu.queue(0)
    def echo(self, req):
        req.write(req.read(req.writable_len))
        req.complete()


@pytest.fixture
def echo():
    with Echo() as device:
        yield device


@pytest.fixture(autouse=True)
def _visible_log(caplog):
    caplog.set_level(logging.WARNING, "pylibvu")


def start_program(argv, **options):
    """Ends with its test: one that lived on would hold the output open, and whoever reads that waits."""
    child = subprocess.Popen(argv, **options,
                             preexec_fn=lambda: LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL))
    children.append(child)
    return child


@pytest.fixture(autouse=True)
def _no_child_is_left():
    yield
    while children:
        child = children.pop()
        child.kill()
        child.wait()


def open_fds():
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


def guest_mappings():
    """How many mappings of testing.Memory's file this process has."""
    gc.collect()
    return sum("memfd:guest" in line for line in pathlib.Path("/proc/self/maps").read_text()
               .splitlines())


def make(handler, **options):
    """A device whose queue 0 is served by a function of the request."""
    device = pylibvu.Device(42, "dut", n_queues=2)
    device.queue(0, **options)(handler)
    return device


def pumped(device):
    """A device attached to a peer by hand: (peer's socket is made later by the caller)."""
    import socket

    ours, theirs = socket.socketpair()
    device.attach(theirs)
    return ours


__all__ = ["Echo", "HANG", "open_fds", "guest_mappings", "make", "pumped", "start_program", "testing"]
