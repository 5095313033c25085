#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A guest moves while it reads its disks, and its memory is compared, byte by byte, at both ends.

It reads into the same buffers all the time, and each time something else: what the device writes there once
they were copied arrives only if it was marked in the dirty log.  Programs that leave out one kind of
mark (unmarked.c) show that what is missing is seen, each time.

The guest is stopped before the copy ends, so that both sides can be compared.
"""

import contextlib
import mmap
import os
import re
import signal
import time

from blk_verify import memory_of
from iommu import INTEL, Iommu
from lib import GuestError, Image, VhostUser, main, patience
from lib.qemu import Qemu

MEMORY, PLUGGED, DISK, BUFFERS = 192, 128, 16, 6  # MiB
PAGE = 4096
SIZE = 1024  # of queues: used entries from the 248th on share no page with what the driver writes
# Linux has a ring's parts behind each other, and those that the device writes at a multiple of 64 bytes.
USED = (SIZE * 16 + 2 * (3 + SIZE) + 63) // 64 * 64
EVENT = (USED + 4 + 8 * SIZE) % PAGE  # in its page: which request the device wants to be told of
QUIET = 500  # requests, whose used entries are in other pages
# So many requests go round the ring, and write all buffers (some 400 pieces) twice.
ENOUGH = SIZE + 100
FAST, SLOW = 24 << 20, 1 << 20  # bytes a second; with the latter the copy does not end by itself
PROGRAMS = {"all": "vu-blk", "but data": "vu-blk-unmarked-data", "but used": "vu-blk-unmarked-used",
            "but armed": "vu-blk-unmarked-armed"}


def name_of(number):
    """What each page of that disk begins with."""
    return b"page of disk %d, " % number


def make_image(t, number):
    image = Image(t.path(f"image-{number}"), DISK)
    with open(image.path, "wb") as file:
        for _ in range((DISK << 20) // PAGE):
            file.write(name_of(number).ljust(PAGE - 64) + os.urandom(64))
    return image.path


class Place:
    """Where the guest can be: files that are its memory, and a back-end for each disk."""

    def __init__(self, t, stack, name, images, marks, options):
        self.ram, self.more = t.path(f"{name}.ram"), t.path(f"{name}.more")
        self.backends = [
            stack.enter_context(t.peer("vu-blk", t.program(PROGRAMS[kind]), "--socket-path={socket}",
                                       f"--blk-file={image}", "--read-only", "--locking=off",
                                       "--allow-any-memory", f"--queue-size={SIZE}", *options))
            for image, kind in zip(images, marks)]

    def served(self, busy):
        """How many requests the slowest of those disks has had."""
        return min(served(self.backends[disk]) for disk in busy)


class Moving:
    """`marks` has a disk for each kind of program: what it marks."""

    def __init__(self, t, stack, qemu, marks=("all", "all"), iommu=False, plugged=False, **props):
        self.t, self.stack, self.qemu, self.iommu, self.plugged = t, stack, qemu, iommu, plugged
        self.busy = [disk for disk, kind in enumerate(marks) if kind != "but armed"]
        self.quiet = [disk for disk, kind in enumerate(marks) if kind == "but armed"]
        self.props = {"num_queues": 1, "queue_size": SIZE} | props
        if iommu:
            self.props |= {"iommu_platform": "on", "disable_legacy": "on"}
        images = [make_image(t, number) for number in range(len(marks))]
        self.here, self.there = (Place(t, stack, name, images, marks, ["--iommu"] if iommu else [])
                                 for name in ("here", "there"))
        self.source = self._boot(self.here)
        if plugged:
            before = memory_of(self.source)
            self.source.plug()
            until("used by the guest", lambda: memory_of(self.source) > before + 100)
        for disk in self.quiet:
            self._read(disk, QUIET - served(self.here.backends[disk]))
        for disk in self.busy:
            self.source.run(f"guest-reread /dev/vd{'abcd'[disk]} {BUFFERS} </dev/null >/dev/null 2>&1 &")
        self.target = self._boot(self.there, successor=True, extra=["-S", *(Qemu.plugged if plugged else [])])

    def _boot(self, place, **more):
        model, _, parameter = INTEL
        devices = [Iommu(model)] if self.iommu else []
        devices += [VhostUser("blk", backend, **self.props) for backend in place.backends]
        return self.stack.enter_context(self.t.qemu(
            *devices, qemu=self.qemu, memory=MEMORY, ram=place.ram,
            slots=1 if self.plugged else 0,
            spare=f"memory-backend-file,size={PLUGGED}M,mem-path={place.more}" if self.plugged else None,
            cmdline=parameter if self.iommu else "", programs=[self.t.program("guest-reread")], **more))

    def _read(self, disk, times):
        assert times > 0, times
        self.source.run(f"guest-reread /dev/vd{'abcd'[disk]} 1 {times}")

    def move(self):
        """Everything is read once more after it was copied; then the guest is stopped."""
        self.source.migrate(self.target, FAST)
        self.source.wait_migration(rounds=3 if self.quiet else 2)
        self.source.set_bandwidth(SLOW)
        for disk in self.quiet:
            self._read(disk, 1)
        enough = self.here.served(self.busy) + ENOUGH
        until("read once more", lambda: self.here.served(self.busy) >= enough)
        self.source.qmp("stop")
        self.source.set_bandwidth(0)
        ram = self.source.wait_migration()["ram"]
        until("at the other side", lambda: self.target.qmp("query-status")["status"] == "paused")
        self.t.say(f"{ram['dirty-sync-count']} rounds, {ram['transferred'] >> 20} MiB")

    def differing(self):
        """The pages that are not at the other side as they were: what each was, and is there."""
        found = differing(self.here.ram, self.there.ram)
        if self.plugged:
            assert count(pages_of(self.here.more), 0) > 0, "the device wrote nothing to the memory that was plugged in"
            found += differing(self.here.more, self.there.more)
        return found


def pages_of(path):
    """The file's pages."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data:
        for at in range(0, len(data), PAGE):
            yield data[at:at + PAGE]


def differing(here, there):
    return [pair for pair in zip(pages_of(here), pages_of(there)) if pair[0] != pair[1]]


def count(pages, number):
    """How many are what a disk has."""
    return sum(page.startswith(name_of(number)) for page in pages)


def is_event(was, is_now):
    """They differ in that alone."""
    return was[:EVENT] + was[EVENT + 2:] == is_now[:EVENT] + is_now[EVENT + 2:]


def until(what, condition):
    limit = patience.end()
    while not condition():
        if time.monotonic() > limit:
            raise GuestError(f"not {what}")
        time.sleep(0.05)


def served(backend):
    """How many requests it has had, as it says when it is asked now."""
    def said():
        with open(backend.log, encoding="utf-8", errors="replace") as file:
            return re.findall(r"^counters .*queue=0 requests=(\d+) .*\n", file.read(), re.M)

    before = len(said())
    backend.signal(signal.SIGUSR1)
    until("told how much was read", lambda: len(said()) > before)
    return int(said()[-1])


def moved(t, qemu, **kw):
    with contextlib.ExitStack() as stack:
        moving = Moving(t, stack, qemu, **kw)
        moving.move()
        return moving.differing()


def arrives(t, qemu, **kw):
    with t.check(f"{t.name}_all_memory_is_at_the_other_side_as_it_was"):
        pages = [was for was, _ in moved(t, qemu, **kw)]
        assert not pages, f"{len(pages)} pages are not, {count(pages, 0) + count(pages, 1)} of them read " \
                          f"from disks: {[page[:64] for page in pages[:8]]}"


def unmarked(t, qemu):
    """Used rings behind an IOMMU: without one QEMU copies them at the end, whatever is marked."""
    pages = moved(t, qemu, marks=tuple(PROGRAMS), iommu=True)
    of_disks = [count([was for was, _ in pages], number) for number in range(len(PROGRAMS))]
    others = [is_event(*page) for page in pages if not page[0].startswith(b"page of disk ")]
    events = sum(others)
    t.say(f"pages that differ, for each disk: {of_disks}, by an event: {events}, and others: {len(others) - events}")
    with t.check(f"{t.name}_all_data_that_was_marked_arrives"):
        assert of_disks[0] == of_disks[2] == of_disks[3] == 0
    with t.check(f"{t.name}_data_that_was_not_marked_is_missed"):
        assert of_disks[1] > (BUFFERS << 20) // PAGE // 2
    with t.check(f"{t.name}_used_entries_that_were_not_marked_are_missed"):
        assert len(others) > events
    with t.check(f"{t.name}_an_event_that_was_not_marked_is_missed"):
        assert events == 1


def test_qemu10_plugged(t):
    arrives(t, t.newer_qemu, plugged=True)


def test_qemu10_unmarked(t):
    unmarked(t, t.newer_qemu)


def test_qemu11_plugged(t):
    if t.long:
        arrives(t, t.newest_qemu, plugged=True)


def test_qemu11(t):
    if t.long:
        arrives(t, t.newest_qemu)


def test_qemu11_unmarked(t):
    if t.long:
        unmarked(t, t.newest_qemu)


def test_qemu10_packed(t):
    if t.long:
        arrives(t, t.newer_qemu, packed="on")


def test_qemu10_iommu(t):
    if t.long:
        arrives(t, t.newer_qemu, iommu=True)


def test_qemu11_iommu_packed(t):
    if t.long:
        arrives(t, t.newest_qemu, iommu=True, packed="on")


if __name__ == "__main__":
    main()
