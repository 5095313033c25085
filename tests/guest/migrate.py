#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A guest on vu-blk moves between two QEMUs while it works: live migration, with a dirty log.

One disk is under the verifying writer all the time.  The other is read while memory is being copied,
so that the guest has it in its cache in pages that the device wrote and that had been copied before:
they are right at the other side only if the device marked them.
"""

import contextlib
import hashlib
import os
import time

from blk import disk
from blk_verify import DISK, memory_of, plug_memory, verifier
from lib import Image, VhostUser, main
from lib.errors import GuestDied, GuestError
from lib.machine import FACTOR

QUEUES, CACHED = 4, 24  # MiB
SIZE = 1024  # of the queues: their used rings have pages of their own
LONG_TIMES = 20
SLOW = 24 << 20  # bytes a second: a round of this guest's memory takes seconds
VERIFY = """rm -f /tmp/status
(guest-verify /dev/vda {seconds} 4 16 >/tmp/out 2>&1; echo $? >/tmp/status) </dev/null >/dev/null 2>&1 &
sleep 1"""
RESULT = "while [ ! -e /tmp/status ]; do usleep 50000; done; tail -n 1 /tmp/out; cat /tmp/status"
READS = "cut -c1-9 /sys/block/vdb/stat"


class Disk(VhostUser):
    """QEMU 11 knows only this way to say it."""

    @staticmethod
    def reconnect_option(seconds):
        return f"reconnect-ms={1000 * seconds}"


class Moving:
    """A guest, where it is now, and the two places that it moves between."""

    def __init__(self, t, stack, qemu, props, plugged=0, **options):
        self.t, self.stack, self.qemu, self.props = t, stack, qemu, props
        self.plugged, self.options = plugged, options | verifier(t)
        image, cached = Image(t.path("image"), DISK), Image(t.path("cached"), CACHED)
        with open(cached.path, "wb") as file:
            file.write(os.urandom(CACHED << 20))
        with open(cached.path, "rb") as file:
            self.digest = hashlib.sha256(file.read()).hexdigest()
        # The second program of a migration does not mind that the first one has locked the image.
        self.backends = [[stack.enter_context(disk(t, i, *a, "--locking=off"))
                          for i, a in ((image, [f"--num-queues={QUEUES}", f"--queue-size={SIZE}"]),
                                       (cached, ["--read-only"]))] for _ in range(2)]
        self.place, self.guest, self.reads = 0, self._boot(0), None
        # With its last user a disk's cache would go.
        self.guest.run("sleep 100000 </dev/vdb >/dev/null 2>&1 &")

    def _boot(self, place, **more):
        work, read = self.backends[place]
        return self.stack.enter_context(self.t.qemu(
            Disk("blk", work, reconnect=1, num_queues=QUEUES, queue_size=SIZE, **self.props),
            Disk("blk", read, num_queues=1, **self.props), qemu=self.qemu, cpus=4,
            # The kernel would clear pages before the device writes them: QEMU sees that by itself.
            cmdline="init_on_alloc=0", **self.options, **more))

    def successor(self):
        """A QEMU that waits for the guest at the other place."""
        extra = ["-object", f"memory-backend-memfd,id=more,size={self.plugged}M,share=on",
                 "-device", "pc-dimm,id=dimm,memdev=more"] if self.plugged else []
        return self._boot(1 - self.place, successor=True, extra=extra)

    def verify(self, seconds):
        """The guest begins to work."""
        self.guest.run(VERIFY.format(seconds=seconds))

    def fill_cache(self):
        """The device writes memory that was copied already."""
        self.guest.run("echo 1 >/proc/sys/vm/drop_caches; cat /dev/vdb >/dev/null", timeout=60)
        self.reads = self.guest.run(READS).text

    def copy_twice(self, successor, bandwidth=SLOW):
        """Begins a migration: all memory has been copied once when this returns."""
        self.guest.migrate(successor, bandwidth)
        self.guest.wait_migration(rounds=2, timeout=60)

    def arrive(self, successor):
        """The guest goes on at the other place."""
        state = self.guest.migrated(successor)
        source, self.guest, self.place = self.guest, successor, 1 - self.place
        source.close()
        self.t.say(f"{state['ram']['dirty-sync-count']} rounds, {state['ram']['transferred'] >> 20} "
                   f"MiB, stopped for {state['downtime']} ms")
        return state

    def check_cache(self):
        """The other disk in the guest's memory, without reading it again."""
        found = self.guest.run("sha256sum </dev/vdb", timeout=60).text.split()[0]
        reads = self.guest.run(READS).text
        assert reads == self.reads, f"{reads} instead of {self.reads} reads: it was not in the cache"
        assert found == self.digest, "what the device wrote while memory was copied did not arrive"

    def check_disk(self, seconds):
        """The verifying writer found all as written."""
        said = self.guest.run(RESULT, timeout=seconds + 90).text
        assert said.endswith("all as written\n0"), said
        self.t.say(said.split("\n", maxsplit=1)[0])

    def move(self, seconds=6, bandwidth=SLOW):
        """The whole way, with checks."""
        self.verify(seconds)
        successor = self.successor()
        self.copy_twice(successor, bandwidth)
        self.fill_cache()
        self.guest.set_bandwidth(0)
        self.arrive(successor)
        self.check_cache()
        self.check_disk(seconds)


@contextlib.contextmanager
def moving(t, qemu, plugged=0, options=None, **props):
    with contextlib.ExitStack() as stack:
        yield Moving(t, stack, qemu, props, plugged, **(options or {}))


def there_and_back(t, qemu, **props):
    times = LONG_TIMES if t.long else 1
    with moving(t, qemu, **props) as m:
        with t.check(f"{t.name}_guest_moves_{times}_times_while_it_verifies_its_disk"):
            for _ in range(times):
                m.move()


def test_qemu10(t):
    there_and_back(t, t.newer_qemu)


def test_qemu11_packed(t):
    there_and_back(t, t.newest_qemu, packed="on")


def test_qemu10_packed(t):
    if t.long:
        there_and_back(t, t.newer_qemu, packed="on")


def test_qemu11(t):
    """What may happen on the way."""
    with moving(t, t.newest_qemu) as m:
        with t.check("qemu11_guest_moves_through_a_slow_network_in_many_rounds"):
            m.verify(20)
            successor = m.successor()
            m.copy_twice(successor)
            m.fill_cache()
            m.guest.wait_migration(rounds=6, timeout=90)
            m.guest.set_bandwidth(0)
            m.arrive(successor)
            m.check_cache()
            m.check_disk(20)
        with t.check("qemu11_guest_stays_when_it_is_called_off_and_moves_at_the_second_try"):
            m.verify(12)
            successor = m.successor()
            m.copy_twice(successor)
            m.guest.qmp("migrate_cancel")
            wait_cancelled(m.guest)
            successor.close()
            m.fill_cache()
            m.check_disk(12)
            m.check_cache()
            m.move()
        with t.check("qemu11_guest_moves_though_its_back_end_is_killed_on_the_way"):
            m.verify(12)
            successor = m.successor()
            m.copy_twice(successor)
            for _ in range(2):
                m.backends[m.place][0].kill()
                m.backends[m.place][0].start()
                m.fill_cache()
                time.sleep(1.5)  # QEMU tries to connect once a second
            m.guest.set_bandwidth(0)
            m.arrive(successor)
            m.check_cache()
            m.check_disk(12)


def wait_cancelled(guest, timeout=30):
    limit = time.monotonic() + timeout * FACTOR
    while (state := guest.qmp("query-migrate")["status"]) != "cancelled":
        if state in ("completed", "failed") or time.monotonic() > limit:
            raise GuestError(f"the migration is {state}, not cancelled")
        time.sleep(0.02)


def test_qemu11_plugged(t):
    """Memory at addresses that came later."""
    with moving(t, t.newest_qemu, options={"memory": 192, "slots": 1}) as m:
        with t.check("qemu11_guest_moves_with_memory_that_was_plugged_in"):
            before = memory_of(m.guest)
            plug_memory(m.guest, 128)
            m.plugged = 128
            limit = time.monotonic() + 20 * FACTOR
            while memory_of(m.guest) < before + 100:
                if time.monotonic() > limit:
                    raise GuestDied("the guest does not use the memory that was plugged in")
                time.sleep(0.2)
            m.move()


if __name__ == "__main__":
    main()
