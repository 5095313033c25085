#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-blk under a verifying writer (verify.c): every option, memory that grows, back-ends and
guests that go away."""

import re
import signal
import time

from blk import FILE_SYSTEM, disk, precious, read_only
from lib import GuestError, Image, VhostUser, main

DISK = 64  # MiB; all of it is read at the end of a run
LETTERS = "abcdefghijklmnop"

# name: (arguments of vu-blk, properties of QEMU's device, how the guest sees it in /sys/block/DISK)
OPTIONS = {
    "without_event_idx": ([], {"event_idx": "off"}, "[ $(cut -c30 device/features) = 0 ]"),
    "without_indirect_descriptors": ([], {"indirect_desc": "off"},
                                     "[ $(cut -c29 device/features) = 0 ]"),
    "with_queues_of_1024": (["--queue-size=1024"], {"queue_size": 1024},
                            "echo none >queue/scheduler && [ $(cat queue/nr_requests) = 1024 ]"),
    "with_direct_io": (["--direct"], {}, "true"),
    "with_registered_memory": (["--direct", "--register-memory"], {}, "true"),
    "with_blocks_of_4096": (["--logical-block-size=4096"], {},
                            "[ $(cat queue/logical_block_size) = 4096 ]"),
    "in_memory": (["--backend=memory", f"--size={DISK}M"], {}, "true"),
}

# Writes files forever, and names each with its sum once it is on the disk for good.
WRITE_FILES = """
n=0
while :; do
    n=$((n + 1))
    dd if=/dev/urandom of=/mnt/$n bs=64k count=$((n % 7 + 1)) conv=fsync 2>/dev/null || exit 1
    echo "synced $n $(sha256sum </mnt/$n)"
done"""


def verifier(t):
    return {"programs": [t.program("guest-verify")]}


def verify(t, guest, seconds, name="vda", threads=4, memory=16):
    """Starts the verifying writer; the job's end is for verified()."""
    return guest.start(f"guest-verify /dev/{name} {seconds} {threads} {memory}")


def verify_until_told(guest, threads, memory, name="vda"):
    """Likewise, until a line is written to the job."""
    return guest.start(f"guest-verify /dev/{name} 86400 {threads} {memory} & read -r told; kill $!; wait $!")


def verified(t, job, seconds=0):
    result = job.wait(seconds, check=False)
    last = result.text.split("\n")[-1]
    if result.status or not last.endswith("all as written"):
        raise GuestError(f"status {result.status}:\n{result.text[-1500:]}")
    t.say(last)


def test_qemu_options(t):
    """One guest with a disk for each option."""
    backends, devices, sealed = [], [], precious(t)
    try:
        for name, (arguments, props, _) in OPTIONS.items():
            image = Image(t.path(name), DISK)
            backends.append(disk(t, image, *arguments))
            devices.append(VhostUser("blk", backends[-1], num_queues=1, **props))
        backends.append(disk(t, sealed, "--read-only"))
        devices.append(VhostUser("blk", backends[-1], num_queues=1))
        with t.qemu(*devices, **verifier(t)) as guest:
            for letter, (name, (_, _, seen)) in zip(LETTERS, OPTIONS.items()):
                with t.check(f"{t.name}_disk_{name}_holds_what_was_written"):
                    guest.run(f"cd /sys/block/vd{letter} && {seen}")
                    verified(t, verify(t, guest, 2, f"vd{letter}"), 2)
            read_only(t, guest, sealed, f"vd{LETTERS[len(OPTIONS)]}")
    finally:
        for backend in backends:
            backend.stop()


def plug_memory(guest, mib):
    """Adds a DIMM."""
    guest.qmp("object-add", qom_type="memory-backend-memfd", id="more", size=mib << 20, share=True)
    guest.qmp("device_add", driver="pc-dimm", id="dimm", memdev="more")


def memory_of(guest):
    return int(guest.run("awk '/MemTotal/ { print $2 }' /proc/meminfo").text) >> 10


def requests(blk):
    """How many requests each queue has had, as vu-blk tells on SIGUSR1."""
    blk.signal(signal.SIGUSR1)
    time.sleep(0.2)
    found = re.findall(r"^counters .*queue=(\d+) requests=(\d+)", blk.tail(50), re.M)
    return {int(queue): int(count) for queue, count in found}


def memory_grows(t, seconds, *arguments):
    """All queues busy for a long time, while memory is plugged in; then I/O in the new memory."""
    image = Image(t.path("image"), DISK)
    with disk(t, image, "--num-queues=4", *arguments) as blk, \
         t.qemu(VhostUser("blk", blk, num_queues=4), cpus=4, memory=192, slots=1,
                **verifier(t)) as guest:
        before = memory_of(guest)
        with t.check(f"{t.name}_guest_verifies_on_four_queues_while_memory_is_plugged_in"):
            job = verify(t, guest, seconds, threads=8)
            time.sleep(seconds / 2)
            plug_memory(guest, 256)
            verified(t, job, seconds)
            counts = requests(blk)
            t.say(f"requests on each queue: {list(counts.values())}")
            assert len(counts) == 4 and min(counts.values()) > 0, counts
        with t.check(f"{t.name}_guest_verifies_in_the_memory_that_was_plugged_in"):
            now = memory_of(guest)
            assert now > before + 200, f"{before} MiB before, {now} MiB after the DIMM came"
            verified(t, verify(t, guest, 3, threads=4, memory=before + 32), 3)


def test_qemu_memory(t):
    memory_grows(t, 120 if t.long else 10)


def test_qemu_registered_memory(t):
    memory_grows(t, 60 if t.long else 5, "--direct", "--register-memory")


def test_qemu_restart(t):
    image = Image(t.path("image"), DISK)
    with disk(t, image, "--num-queues=2") as blk, \
         t.qemu(VhostUser("blk", blk, reconnect=1, num_queues=2), **verifier(t)) as guest:
        with t.check(f"{t.name}_guest_writes_on_when_its_back_end_was_restarted_twice"):
            job = verify(t, guest, 8)
            for _ in range(2):
                time.sleep(2)
                blk.stop()
                time.sleep(0.3)
                blk.start()
            verified(t, job, 8)


def killed(t, boot):
    """A guest that dies while it writes; its successor has all that was on the disk."""
    image = Image(t.path("image"), DISK)
    with disk(t, image) as blk:
        with boot(VhostUser("blk", blk, num_queues=1), **FILE_SYSTEM) as guest:
            guest.run("mke2fs -q -t ext4 /dev/vda && mount /dev/vda /mnt")
            job = guest.start(WRITE_FILES)
            job.wait_line(rb"^synced 12 ")
            guest.kill()
            synced = [l.split()[1:3] for l in guest.agent.since().decode().split("\n")
                      if l.startswith("synced ") and l.endswith("-")]
        with t.check(f"{t.name}_guest_killed_mid_write_leaves_the_back_end_alive"):
            time.sleep(0.2)
            assert blk.process.poll() is None, f"vu-blk ended with {blk.process.returncode}"
        with t.check(f"{t.name}_next_guest_finds_all_that_was_synced"), \
             boot(VhostUser("blk", blk, num_queues=1), **FILE_SYSTEM) as guest:
            guest.run("mount /dev/vda /mnt")
            for number, digest in synced:
                found = guest.run(f"sha256sum </mnt/{number}").text.split()[0]
                assert found == digest, f"file {number} of {len(synced)}: {found}, not {digest}"
            t.say(f"{len(synced)} files were synced, all are there")
            guest.run("umount /mnt")
        with t.check(f"{t.name}_image_is_clean_after_the_journal_was_played"):
            image.fsck()


def test_qemu_killed(t):
    killed(t, t.qemu)


def test_uml_killed(t):
    killed(t, t.uml)


def test_uml_verify(t):
    image, sealed, seconds = Image(t.path("image"), DISK), precious(t), 60 if t.long else 5
    with disk(t, image) as blk, disk(t, sealed, "--read-only") as other, \
         t.uml(VhostUser("blk", blk), VhostUser("blk", other), **verifier(t)) as guest:
        with t.check(f"{t.name}_guest_verifies"):
            verified(t, verify(t, guest, seconds), seconds)
        read_only(t, guest, sealed, "vdb")


if __name__ == "__main__":
    main()
