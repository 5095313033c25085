#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-fs under several processes of a User-mode Linux guest at once, and under a walk of many files:
the answers are those of a file system in memory, and neither descriptors nor memory grow with the walk.

--long: more of everything; a million files.
"""

import os
import tempfile
import threading
import time

from lib import VhostUser, main

PROCESSES = 4
OPEN_INODES, SPARE_FDS = 64, 64
# For an inode that the guest knows, and without any; more than that the guest's own memory cannot hold.
BYTES_AN_INODE, BYTES_AT_ALL, MOST_KNOWN = 512, 32 << 20, 200_000

WALK = """find /mnt/tree -type f -size 0 | wc -l
awk '$1 == "fuse_inode" { print $2 }' /proc/slabinfo"""
COMPARE = """
mkdir -p /tmp/memory && mount -t tmpfs tmpfs /tmp/memory
for i in $(seq {processes}); do
    mkdir -p /mnt/ops$i /tmp/memory/ops$i
    guest-fsops /mnt/ops$i $i {operations} >/tmp/share$i &
    guest-fsx /mnt/fsx$i $i {changes} >/tmp/fsx$i || echo failed >>/tmp/fsx$i &
done
wait
for i in $(seq {processes}); do
    guest-fsops /tmp/memory/ops$i $i {operations} >/tmp/memory$i
    cmp /tmp/share$i /tmp/memory$i && echo same
    cat /tmp/fsx$i
done
umount /tmp/memory; rm -r /mnt/ops* /mnt/fsx*"""


def peak_memory(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("VmHWM:"))


def make_tree(path, files):
    for i in range(0, files, 1000):
        folder = os.path.join(path, f"tree/{i // 1000}")
        os.makedirs(folder)
        at = os.open(folder, os.O_RDONLY)
        for j in range(min(1000, files - i)):
            os.close(os.open(f"file{j}", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=at))
        os.close(at)


def stress(t, guest):
    operations, changes = (20000, 5000) if t.long else (500, 150)
    with t.check(f"uml7_{PROCESSES}_pairs_of_processes_at_once_have_the_answers_of_memory"):
        said = guest.run(COMPARE.format(processes=PROCESSES, operations=operations, changes=changes),
                         work=600 if t.long else 30).text
        assert said.split() == ["same"] * PROCESSES, said


class Watched:
    """The most descriptors that a process has while this runs."""

    def __init__(self, pid):
        self.pid, self.most, self._end = pid, 0, threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self):
        while not self._end.wait(0.05):
            self.most = max(self.most, len(os.listdir(f"/proc/{self.pid}/fd")))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()


def walk(t, guest, fs, path):
    files = 1_000_000 if t.long else 3000
    make_tree(path, files)
    with t.check(f"uml7_a_walk_of_{files}_files_keeps_few_descriptors_and_bounded_memory"):
        began = time.monotonic()
        with Watched(fs.process.pid) as watched:
            said = guest.run(WALK, work=1800 if t.long else 30).text.split()
        seconds, peak, known = time.monotonic() - began, peak_memory(fs.process.pid), int(said[1])
        t.say(f"{files} files in {seconds:.0f} s; {watched.most} descriptors and {peak >> 20} MiB at most; "
              f"{known} inodes are known at the end")
        assert said[0] == str(files), said
        assert 0 < watched.most <= OPEN_INODES + SPARE_FDS, watched.most
        assert peak <= BYTES_AT_ALL + BYTES_AN_INODE * min(files, MOST_KNOWN), peak


def test_uml7(t):
    linux = t.newer_uml
    # Where there are file handles; the folder of logs may be on an overlay, which has none.
    where = "/var/tmp" if t.long else "/dev/shm"
    # Of a million the guest has to forget most, in virtio_fs_send_forget(), and where memory is short that
    # is a warning of its own.
    with tempfile.TemporaryDirectory(dir=where, prefix="libvu-fs-share-") as share, \
         t.backend("vu-fs", f"--shared-dir={share}", "--num-request-queues=2", "--tag=fs",
                   f"--max-open-inodes={OPEN_INODES}") as fs, \
         t.uml(VhostUser("fs", fs), linux=linux, memory=192, complaints_ok=t.long,
               programs=[t.program("guest-fsops"), t.program("guest-fsx")]) as guest:
        guest.run("mount -t virtiofs fs /mnt")
        stress(t, guest)
        walk(t, guest, fs, share)
        guest.run("umount /mnt")


if __name__ == "__main__":
    main()
