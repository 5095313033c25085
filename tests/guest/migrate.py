#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A guest on vu-blk, or on vu-scsi, moves between two QEMUs while it works: live migration, with a dirty log.

One disk is under the verifying writer.  The other is read all the time, and its sum is computed out of
the guest's cache: out of pages that the device wrote while memory was being copied.  They are right at
the other side only if the device marked them.  A sum that is right when the same cache is summed again
says that its pages are: what was wrong is memory of the program's.  QEMU 11 under TCG loses such writes
of the guest's processors now and then on a busy host, also where it has the disk itself.

VU_MOVES is how often a guest moves, where it does so again and again.

While it moves the guest is asked nothing: it may already be elsewhere.
"""

import contextlib
import hashlib
import os
import re
import time

from blk import disk
from blk_verify import DISK, memory_of, verifier
from lib import Image, VhostUser, main, only_long, patience
from lib.errors import GuestDied, GuestError
from lib.qemu import Qemu
from scsi import host

QUEUES, CACHED = 4, 8  # MiB
PLUGGED = 128  # MiB, the least that Linux takes
SIZE = 1024  # of the queues: their used rings have pages of their own
SLOW = 24 << 20  # bytes a second: a round of this guest's memory takes seconds
VERIFY = """rm -f /tmp/status
(guest-verify /dev/{disk} {seconds} 4 16 >/tmp/out 2>&1; echo $? >/tmp/status) </dev/null >/dev/null 2>&1 &
sleep 1"""
RESULT = "while [ ! -e /tmp/status ]; do usleep 50000; done; tail -n 1 /tmp/out; cat /tmp/status"
# With its last user a disk's cache would go: this script has it open.
CACHE = """rm -f /tmp/stop /tmp/read /tmp/wrong
right() {{ [ "$(sha256sum </dev/{disk})" = "{digest}  -" ]; }}
(exec 9</dev/{disk}; n=0; while [ ! -e /tmp/stop ]; do
    echo 1 >/proc/sys/vm/drop_caches; cat /dev/{disk} >/dev/null; n=$((n + 1))
    for i in 1 2; do right || {{ right && echo "$n: once" || echo "$n: for good"; }} >>/tmp/wrong; done
done; echo $n >/tmp/read) </dev/null >/dev/null 2>&1 &"""
# The other disk's cache is beyond 4 GiB, where there is no other memory; it comes and goes.
CACHED_IN_PLUGGED = """[ $(awk '/^Node/ { here = $4 == "Normal" } here && /nr_zone_(in)?active_file/ { n += $2 }
END { print n + 0 }' /proc/zoneinfo) -gt 1500 ]"""
CACHED_RESULT = """touch /tmp/stop; while [ ! -e /tmp/read ]; do usleep 50000; done
cat /tmp/read; cat /tmp/wrong 2>/dev/null; true"""


class Disk(VhostUser):
    """QEMU 11 knows only this way to say it."""

    @staticmethod
    def reconnect_option(seconds):
        return f"reconnect-ms={1000 * seconds}"


class BlkPlace:
    """Where a guest can be: the back-ends there, on images that another place has, too."""

    long_times = 20

    def __init__(self, t, stack, work, read, programs, props):
        # The second program of a migration does not mind that the first one has locked the image.
        self.backends = [stack.enter_context(disk(t, image, *options, "--locking=off", *programs))
                         for image, options in ((work, [f"--num-queues={QUEUES}", f"--queue-size={SIZE}"]),
                                                (read, ["--read-only"]))]
        self.devices = [Disk("blk", backend, reconnect=1, **more, **props) for backend, more in
                        zip(self.backends, ({"num_queues": QUEUES, "queue_size": SIZE}, {"num_queues": 1}))]

    @staticmethod
    def disks(guest):
        """As the guest calls them."""
        guest.until("[ -b /dev/vda ] && [ -b /dev/vdb ]")
        return "vda", "vdb"


class ScsiPlace:
    """The same, with both disks behind one vu-scsi."""

    long_times = 5

    def __init__(self, t, stack, work, read, programs, props):
        scsi = stack.enter_context(host(t, f"0,file={work.path}", f"1,file={read.path},read-only",
                                        options=["--locking=off", *programs]))
        self.backends = [scsi]
        self.devices = [Disk("scsi", scsi, reconnect=1, num_queues=QUEUES, virtqueue_size=SIZE, **props)]

    @staticmethod
    def disks(guest):
        """Linux looks at targets beside each other: names go to who is first."""
        names = "/sys/bus/scsi/devices/*:0:[01]:0/block/*"
        guest.until(f"[ $(ls -d {names} 2>/dev/null | wc -l) = 2 ]")
        return guest.run(f"for disk in {names}; do basename $disk; done").text.split()


class Moving:
    """A guest, where it is now, and the two places that it moves between; `qemu`: a program, or one for each."""

    def __init__(self, t, stack, qemu, props, plugged=False, programs=(), place=BlkPlace, **options):
        self.t, self.stack = t, stack
        self.qemus = qemu if isinstance(qemu, tuple) else (qemu, qemu)
        self.plugged, self.options = plugged, options | verifier(t)
        if plugged:
            self.options |= {"memory": 192, "slots": 1, "spare": f"memory-backend-memfd,size={PLUGGED}M"}
        image, cached = Image(t.path("image"), DISK), Image(t.path("cached"), CACHED)
        with open(cached.path, "wb") as file:
            file.write(os.urandom(CACHED << 20))
        with open(cached.path, "rb") as file:
            self.digest = hashlib.sha256(file.read()).hexdigest()
        self.places = [place(t, stack, image, cached, programs, props) for _ in range(2)]
        self.place, self.guest = 0, self._boot(0)
        self.disks = place.disks(self.guest)
        if plugged:
            self._plug()

    def _plug(self):
        before, limit = memory_of(self.guest), patience.end()
        self.guest.plug()
        while memory_of(self.guest) < before + PLUGGED * 3 // 4:
            if time.monotonic() > limit:
                raise GuestDied("the guest does not use the memory that was plugged in")
            time.sleep(0.2)
        blocks = self.guest.qmp("human-monitor-command", command_line="info ramblock")
        assert re.search(r"^ *\S*more +\S+ KiB +0x0+ ", blocks, re.M), blocks

    def _boot(self, place, **more):
        return self.stack.enter_context(self.t.qemu(
            *self.places[place].devices, qemu=self.qemus[place], cpus=4,
            # The kernel would clear pages before the device writes them: QEMU sees that by itself.
            cmdline="init_on_alloc=0", **self.options, **more))

    def successor(self):
        """A QEMU that waits for the guest at the other place."""
        return self._boot(1 - self.place, successor=True, extra=Qemu.plugged if self.plugged else [])

    def work(self, seconds):
        """The guest begins to work on both disks."""
        self.guest.run(CACHE.format(disk=self.disks[1], digest=self.digest))
        self.guest.run(VERIFY.format(disk=self.disks[0], seconds=seconds))

    def copy(self, successor, rounds, bandwidth=SLOW):
        """Begins a migration: memory has been gone over so often when this returns."""
        self.guest.migrate(successor, bandwidth)
        self.guest.wait_migration(rounds)

    def copy_a_part(self, successor):
        """Begins a migration that is far from its end when this returns."""
        self.guest.migrate(successor, SLOW // 4)
        limit = patience.end()
        while self.guest.qmp("query-migrate").get("ram", {}).get("transferred", 0) < 8 << 20:
            assert time.monotonic() < limit, "nothing is copied"
            time.sleep(0.05)

    def run_ahead(self, successor):
        """The guest goes on at the other place, and its memory follows when it is touched."""
        for guest in (successor, self.guest):
            guest.qmp("migrate-set-capabilities",
                      capabilities=[{"capability": "postcopy-ram", "state": True}])
        self.copy(successor, 2)
        self.guest.qmp("migrate-start-postcopy")
        self.guest.set_bandwidth(0)
        state = self.arrive(successor)
        assert state["ram"]["postcopy-requests"], state
        self.t.say(f"{state['ram']['postcopy-requests']} pages were asked for")
        return state

    def arrive(self, successor):
        """The guest goes on at the other place."""
        state = self.guest.migrated(successor)
        source, self.guest, self.place = self.guest, successor, 1 - self.place
        source.close()
        self.t.say(f"{state['ram']['dirty-sync-count']} rounds, {state['ram']['transferred'] >> 20} "
                   f"MiB, stopped for {state['downtime']} ms")
        return state

    def check(self, seconds):
        """Both disks were right whenever the guest looked."""
        said = self.guest.run(RESULT, seconds).text
        assert said.endswith("all as written\n0"), said
        self.t.say(said.split("\n", maxsplit=1)[0])
        if self.plugged:
            self.guest.until(CACHED_IN_PLUGGED)
        times, *wrong = self.guest.run(CACHED_RESULT).text.split("\n")
        assert all(line.endswith("once") for line in wrong), \
            f"what the device wrote while memory was copied did not arrive: {'; '.join(wrong)}"
        self.t.say(f"the other disk was read {times} times, and compared each time")
        if wrong:
            self.t.say(f"QEMU lost a write of the guest's processors ({'; '.join(wrong)})")

    def move(self, seconds=6, rounds=2):
        """The whole way, with checks."""
        self.work(seconds)
        successor = self.successor()
        self.copy(successor, rounds)
        self.guest.set_bandwidth(0)
        self.arrive(successor)
        self.check(seconds)


@contextlib.contextmanager
def moving(t, qemu, options=None, **props):
    with contextlib.ExitStack() as stack:
        yield Moving(t, stack, qemu, props, **(options or {}))


def there_and_back(t, qemu, place=BlkPlace, options=None, long_times=None, **props):
    times = int(os.environ.get("VU_MOVES", (long_times or place.long_times) if t.long else 1))
    with moving(t, qemu, options={"place": place} | (options or {}), **props) as m:
        with t.check(f"{t.name}_guest_moves_{times}_times_while_it_verifies_its_disk"):
            for n in range(times):
                t.say(f"move {n + 1} of {times}")
                m.move()


def test_qemu10(t):
    there_and_back(t, t.newer_qemu)


def test_scsi_qemu10(t):
    there_and_back(t, t.newer_qemu, ScsiPlace)


def postcopy(t, qemu):
    with moving(t, qemu, options={"programs": ["--postcopy"]}) as m, \
         t.check(f"{t.name}_guest_verifies_its_disk_before_all_of_its_memory_has_come"):
        m.work(8)
        m.run_ahead(m.successor())
        m.check(8)


def test_postcopy_qemu11(t):
    postcopy(t, t.newest_qemu)


@only_long
def test_postcopy_qemu10(t):
    postcopy(t, t.newer_qemu)


def test_qemu11_packed(t):
    there_and_back(t, t.newest_qemu, packed="on")


@only_long
def test_qemu10_packed(t):
    there_and_back(t, t.newer_qemu, packed="on")


def test_qemu11(t):
    """What may happen on the way."""
    with moving(t, t.newest_qemu) as m:
        with t.check("qemu11_guest_moves_through_a_slow_network_in_many_rounds"):
            m.move(seconds=15, rounds=6)
        with t.check("qemu11_guest_stays_when_it_is_called_off_and_moves_at_the_second_try"):
            m.work(10)
            successor = m.successor()
            m.copy_a_part(successor)
            m.guest.qmp("migrate_cancel")
            wait_cancelled(m.guest)
            successor.close()
            m.check(10)
            m.move()
        with t.check("qemu11_guest_moves_though_its_back_end_is_killed_on_the_way"):
            m.work(12)
            successor = m.successor()
            m.copy_a_part(successor)
            for _ in range(2):
                m.places[m.place].backends[0].kill()
                m.places[m.place].backends[0].start()
                time.sleep(1.5)  # QEMU tries to connect once a second
            m.guest.set_bandwidth(0)
            m.arrive(successor)
            m.check(12)


def wait_cancelled(guest):
    limit = patience.end()
    while (state := guest.qmp("query-migrate")["status"]) != "cancelled":
        if state in ("completed", "failed") or time.monotonic() > limit:
            raise GuestError(f"the migration is {state}, not cancelled")
        time.sleep(0.02)


@only_long
def test_qemu10_plugged(t):
    there_and_back(t, t.newer_qemu, options={"plugged": True})


@only_long
def test_qemu11_plugged(t):
    there_and_back(t, t.newest_qemu, options={"plugged": True})


@only_long
def test_qemu11_plugged_packed(t):
    there_and_back(t, t.newest_qemu, options={"plugged": True}, long_times=10, packed="on")


@only_long
def test_between_qemus(t):
    """Another one at each place."""
    there_and_back(t, (t.newer_qemu, t.newest_qemu), options={"version": "10.0"}, long_times=10)


@only_long
def test_between_qemus_packed(t):
    there_and_back(t, (t.newer_qemu, t.newest_qemu), options={"version": "10.0"}, long_times=10, packed="on")


if __name__ == "__main__":
    main()
