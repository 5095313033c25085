# SPDX-License-Identifier: MIT
"""Serving in an asyncio event loop: its thread is the device thread."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import stat
from typing import Optional

from .core import log
from .device import Device
from .group import GroupThread


def listen_at(path: str) -> socket.socket:
    """A listening socket file; replaces one that nobody answers at."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        try:
            sock.bind(path)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not _is_stale(path):
                raise
            os.unlink(path)
            sock.bind(path)
        os.chmod(path, 0o600)
        sock.listen(1)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def _is_stale(path: str) -> bool:
    if not stat.S_ISSOCK(os.stat(path).st_mode):
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(path) == errno.ECONNREFUSED


class Service:
    """One device in one event loop."""

    def __init__(self, device: Device, listener: socket.socket, once: bool) -> None:
        self.device, self.listener, self.once = device, listener, once
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self.loop.create_future()
        self.again: Optional[asyncio.Handle] = None
        self.threads: list[GroupThread] = []

    def start(self) -> None:
        """Watches what there is to watch."""
        core = self.device.core
        core.asynchronous = self.loop
        self.threads = [GroupThread(g) for g in core.groups if not g._own]
        self.loop.add_reader(self.device.fileno(), self.process)
        self.loop.add_reader(self.listener, self.accept)

    def accept(self) -> None:
        """One front-end at a time: the next waits until this one has gone."""
        try:
            sock, _ = self.listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        try:
            self.device.attach(sock)
        except OSError as error:
            log.warning("%s: a front-end was turned away: %s", self.device.name, error)
            sock.close()
            return
        self.loop.remove_reader(self.listener)
        self.process()

    def process(self) -> None:
        """The device's descriptor is readable, or it said that there is more."""
        if self.again is not None:
            self.again.cancel()
            self.again = None
        try:
            result = self.device._process()
        except Exception as error:
            self.finish(error)
            return
        except BaseException as error:
            self.finish(error)
            raise
        if result == -errno.ECONNRESET:
            if self.once:
                self.finish(None)
            else:
                self.loop.add_reader(self.listener, self.accept)
        elif result > 0:
            self.again = self.loop.call_soon(self.process)

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
        tasks = list(self.device._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.loop.remove_reader(self.device.fileno())
        if self.again is not None:
            self.again.cancel()
        if self.device.attached:
            self.device.detach()
            for _ in range(500):
                if self.device._process() == -errno.ECONNRESET:
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
        await service.end()
        listener.close()
        try:
            if os.stat(path).st_ino == inode:
                os.unlink(path)
        except FileNotFoundError:
            pass


