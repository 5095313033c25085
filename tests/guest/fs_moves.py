#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A guest with a mounted share moves between two QEMUs, each with a vu-fs of its own, while it works
there: it makes, writes, reads, renames and removes files, and keeps some open all the way."""

import contextlib
import os
import time

from lib import VhostUser, main, patience

SLOW = 24 << 20  # bytes a second: a round of this guest's memory takes seconds
MOVES, LONG_MOVES = 2, 20
# Files 8 and 9 stay open for all of it; what is removed while it is open is not among them.
WORK = r"""
mkdir -p /mnt/a/b && echo kept >/mnt/kept && rm -f /tmp/stop /tmp/done /tmp/wrong
(exec 8</mnt/kept 9>>/mnt/appended; n=0
while [ ! -e /tmp/stop ]; do
    n=$((n + 1))
    echo "line $n" >&9 || echo "append $n" >>/tmp/wrong
    { echo $n >/mnt/a/b/file && [ "$(cat /mnt/a/b/file)" = $n ]; } || echo "file $n" >>/tmp/wrong
    { mkdir /mnt/d$n && echo $n >/mnt/d$n/in && mv /mnt/d$n /mnt/a/d$n &&
      [ "$(cat /mnt/a/d$n/in)" = $n ] && rm /mnt/a/d$n/in && rmdir /mnt/a/d$n; } || echo "names $n" >>/tmp/wrong
    { ln -s b /mnt/a/link && [ "$(cat /mnt/a/link/file)" = $n ] && rm /mnt/a/link; } || echo "link $n" >>/tmp/wrong
    echo $n >/tmp/now && mv /tmp/now /tmp/so-far  # which somebody else reads
done
[ "$(cat <&8)" = kept ] || echo "what stayed open" >>/tmp/wrong
echo $n >/tmp/done) </dev/null >/tmp/out 2>&1 &
"""
SO_FAR = "cat /tmp/so-far 2>/dev/null || echo 0"
RESULT = """touch /tmp/stop; while [ ! -e /tmp/done ]; do usleep 50000; done
cat /tmp/done; cat /tmp/wrong /tmp/out 2>/dev/null; true"""


def start_work(guest):
    guest.run("mount -t virtiofs fs /mnt")
    guest.run(WORK)


def wait_work(guest, since):
    """Waits until it has done more than that; how much it has done."""
    limit = patience.end()
    while (done := int(guest.run(SO_FAR).text)) <= since:
        assert time.monotonic() < limit, f"it stands still after {done} rounds"
        time.sleep(0.1)
    return done


def finish(guest, share):
    """Nothing went wrong, and the host sees what was written; how many rounds there were."""
    said = guest.run(RESULT).text
    assert said.isdigit(), said
    with open(os.path.join(share, "appended"), encoding="ascii") as file:
        lines = file.read().splitlines()
    assert lines == [f"line {n + 1}" for n in range(int(said))], f"{len(lines)} lines, not {said}"
    assert sorted(os.listdir(share)) == ["a", "appended", "kept"], os.listdir(share)
    guest.run("umount /mnt")
    return int(said)


class Moving:
    """A guest, and the two places that it moves between."""

    def __init__(self, t, stack, qemu, share):
        self.t, self.stack, self.qemu = t, stack, qemu
        self.backends = [stack.enter_context(
            t.backend("vu-fs", f"--shared-dir={share}", "--num-request-queues=2")) for _ in range(2)]
        self.place, self.guest = 0, self._boot(0)

    def _boot(self, place, **more):
        device = VhostUser("fs", self.backends[place], tag="fs", num_request_queues=2, queue_size=1024)
        return self.stack.enter_context(self.t.qemu(device, qemu=self.qemu, cpus=2, **more))

    def move(self):
        """It works on while its memory is copied: once, and then what it wrote meanwhile."""
        successor = self._boot(1 - self.place, successor=True)
        self.guest.migrate(successor, SLOW)
        self.guest.wait_migration(2)
        self.guest.set_bandwidth(0)
        state = self.guest.migrated(successor)
        source, self.guest, self.place = self.guest, successor, 1 - self.place
        source.close()
        self.t.say(f"{state['ram']['transferred'] >> 20} MiB, stopped for {state['downtime']} ms")


def there_and_back(t, qemu):
    share = t.path("share")
    os.mkdir(share)
    times = LONG_MOVES if t.long else MOVES
    with contextlib.ExitStack() as stack, \
         t.check(f"{t.name}_guest_works_on_a_share_and_moves_{times}_times"):
        m = Moving(t, stack, qemu, share)
        start_work(m.guest)
        done = wait_work(m.guest, 0)
        for _ in range(times):
            m.move()
            done = wait_work(m.guest, done)
        t.say(f"{finish(m.guest, share)} rounds")


def test_qemu10(t):
    there_and_back(t, t.newer_qemu)


def test_qemu11(t):
    there_and_back(t, t.newest_qemu)


if __name__ == "__main__":
    main()
