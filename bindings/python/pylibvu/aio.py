# SPDX-License-Identifier: MIT
"""Serving in an asyncio event loop: its thread is the device thread."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import stat
from typing import Optional

from ._vu import lib
from .core import log
from .device import Device
from .group import GroupThread

RETRY_MIN, RETRY_MAX = 0.1, 3.0  # seconds


def listen_at(path: str) -> socket.socket:
    """A listening socket file; replaces one that nobody answers at."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(sock.fileno(), 0o600)  # which the file takes over
        try:
            sock.bind(path)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not _is_stale(path):
                raise
            os.unlink(path)
            sock.bind(path)
        sock.listen(1)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def _is_stale(path: str) -> bool:
    if not stat.S_ISSOCK(os.lstat(path).st_mode):
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(path) == errno.ECONNREFUSED


def stop_listening(listener: socket.socket) -> None:
    """A child of fork() may have a copy: merely closed, it would go on taking connections."""
    listener.shutdown(socket.SHUT_RDWR)
    try:
        while True:
            listener.accept()[0].close()
    except OSError:
        listener.close()


class Service:
    """One device in one event loop."""

    def __init__(self, device: Device, listener: socket.socket, once: bool) -> None:
        self.device, self.listener, self.once = device, listener, once
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self.loop.create_future()
        self.retry: Optional[asyncio.Handle] = None
        self.delay = RETRY_MIN
        self.threads: list[GroupThread] = []

    def start(self) -> None:
        """Watches what there is to watch."""
        core = self.device.core
        core.asynchronous = self
        self.threads = [GroupThread(g) for g in core.groups
                        if not g._own and not g.placed]
        self.loop.add_reader(self.device.fileno(), self.process)
        self.listen()

    def accept(self) -> None:
        """One front-end at a time: the next waits until this one has gone."""
        try:
            sock, _ = self.listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            self.pause(error)
            return
        self.delay = RETRY_MIN
        try:
            self.device.attach(sock)
        except OSError as error:
            self.device.log(f"a front-end was turned away: {error}", "warning")
            sock.close()
            return
        self.loop.remove_reader(self.listener)
        self.process()

    def pause(self, error: OSError) -> None:
        """Out of descriptors or memory: the listener stays readable, so come back later."""
        if self.delay == RETRY_MIN:
            log.warning("%s: front-end not accepted: %s; trying again", self.device.name, error)
        self.loop.remove_reader(self.listener)
        self.retry = self.loop.call_later(self.delay, self.listen)
        self.delay = min(self.delay * 2, RETRY_MAX)

    def listen(self) -> None:
        """Waits for a front-end."""
        self.loop.add_reader(self.listener, self.accept)

    def process(self) -> None:
        """The device's descriptor is readable, and stays so while there is more."""
        try:
            result = self.device._process()
        except Exception as error:
            self.finish(error)
            return
        except BaseException as error:
            self.finish(error)
            raise
        if result & lib.VU_PROCESS_ENDED:
            if self.once:
                self.finish(None)
            else:
                self.listen()

    def finish(self, error: Optional[BaseException]) -> None:
        """Lets serve() return."""
        if self.done.done():
            return
        if isinstance(error, Exception):
            self.done.set_exception(error)
        else:
            self.done.set_result(None)

    async def end(self) -> None:
        """Tasks are cancelled, the session ends, threads end."""
        self.loop.remove_reader(self.listener)
        if self.retry is not None:
            self.retry.cancel()
        tasks = list(self.device._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.loop.remove_reader(self.device.fileno())
        if self.device.attached:
            self.device.detach()
            for _ in range(500):
                if self.device._process() & lib.VU_PROCESS_ENDED:
                    break
                await asyncio.sleep(0.002)
        for thread in self.threads:
            thread.stop()
        self.device.core.asynchronous = None


async def serve_device(device: Device, path: str, once: bool) -> None:
    """What Device.serve() does."""
    core = device.core
    if core.asynchronous is not None:
        raise RuntimeError(f"{device.name} is served already")
    listener = listen_at(path)
    service = Service(device, listener, once)
    inode = os.stat(path).st_ino
    try:
        service.start()
        await service.done
    finally:
        if core.ptr is not None:  # else a child of fork() unwinds, and all of it is the parent's
            await service.end()
            stop_listening(listener)
            try:
                if os.stat(path).st_ino == inode:
                    os.unlink(path)
            except FileNotFoundError:
                pass


