#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-fs under unmodified kernels: what a share says is what a file system in memory says, and the
host and the guest see the same files."""

import hashlib
import os
import time

from lib import VhostUser, main, only_long

OPERATIONS = 4000
SEED = 7
TRIES, PAUSE = 60, 1.2
# Both lists, and whether they say the same.
COMPARE = f"""
mkdir -p /mnt/ops /tmp/memory && mount -t tmpfs tmpfs /tmp/memory
guest-fsops /mnt/ops {SEED} {OPERATIONS} >/tmp/share.out
guest-fsops /tmp/memory {SEED} {OPERATIONS} >/tmp/memory.out
umount /tmp/memory
wc -l </tmp/share.out
cmp /tmp/share.out /tmp/memory.out && echo same
diff /tmp/share.out /tmp/memory.out | head -n 6"""


def share(t):
    path = t.path("share")
    os.mkdir(path)
    return path


def program(t):
    return {"programs": [t.program("guest-fsops")]}


def operations(t, guest, name):
    with t.check(f"{name}_guest_has_the_same_answers_from_a_share_as_from_memory"):
        said = guest.run(COMPARE).text.split("\n")
        assert said[0] == str(OPERATIONS) and said[1] == "same", "\n".join(said)


def both_sides(t, guest, name, path):
    with t.check(f"{name}_host_reads_what_the_guest_wrote_and_the_other_way_round"):
        digest = guest.run("dd if=/dev/urandom of=/mnt/file bs=1M count=8 2>/dev/null; sync; "
                           "sha256sum </mnt/file").text.split()[0]
        with open(os.path.join(path, "file"), "rb") as file:
            on_host = hashlib.sha256(file.read()).hexdigest()
        assert on_host == digest, f"{on_host} on the host, {digest} in the guest"
        with open(os.path.join(path, "hosts"), "w", encoding="ascii") as file:
            file.write("from the host\n")
        assert guest.run("cat /mnt/hosts").text == "from the host"


def cpu_time(pid):
    return time.clock_gettime_ns(~pid << 3 | 2)  # of all its threads: clock_getcpuclockid(3)


def idle(t, guest, name, pid):
    """A guest with a mounted share that it does not use has the back-end do nothing at all: nanoseconds are counted.

    What still goes on may end late; what goes on for ever has no second without."""
    with t.check(f"{name}_guest_that_does_nothing_costs_the_host_no_cpu_time"):
        guest.run("sync")
        before = cpu_time(pid)
        for _ in range(TRIES):
            time.sleep(PAUSE)
            now = cpu_time(pid)
            if now == before:
                return
            before = now
        raise AssertionError("it goes on using CPU time")


def all_of_it(t, boot, name, **props):
    path = share(t)
    with t.backend("vu-fs", f"--shared-dir={path}", "--num-request-queues=4", "--tag=fs") as fs, \
         boot(VhostUser("fs", fs, **props), cpus=props.get("num_request_queues", 2),
              **program(t)) as guest:
        guest.run("mount -t virtiofs fs /mnt")
        operations(t, guest, name)
        both_sides(t, guest, name, path)
        idle(t, guest, name, fs.process.pid)
        with t.check(f"{name}_guest_reboots_and_mounts_the_share_again"):
            guest.run("umount /mnt")
            guest.reboot()
            said = guest.run("mount -t virtiofs fs /mnt && cat /mnt/hosts && umount /mnt").text
            assert said == "from the host", said


def test_qemu(t):
    all_of_it(t, t.qemu, t.name, tag="fs", num_request_queues=4, queue_size=1024)


def with_qemu(t, qemu):
    def boot(device, **kw):
        return t.qemu(device, qemu=qemu, **kw)

    all_of_it(t, boot, t.name, tag="fs", num_request_queues=4, queue_size=1024)


@only_long
def test_qemu10(t):
    with_qemu(t, t.newer_qemu)


@only_long
def test_qemu11(t):
    with_qemu(t, t.newest_qemu)


def test_uml7(t):
    linux = t.newer_uml

    def boot(device, cpus, **kw):
        return t.uml(device, linux=linux, **kw)

    all_of_it(t, boot, t.name)


if __name__ == "__main__":
    main()
