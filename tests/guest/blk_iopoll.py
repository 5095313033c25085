#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-blk --iopoll, inside a guest: QEMU's NVMe has queues to be polled, if its driver is asked for them.

The program and its test (tests/blk/test_direct.c) run in there; the front-end is the test's own.
"""

import os

from lib import Image, main

NVME = """
rmmod nvme
insmod /modules/nvme.ko poll_queues={polls} || exit
until [ -b /dev/nvme0n1 ]; do usleep 100000; done
cat /sys/block/nvme0n1/queue/io_poll"""
TEST = """
mkdir -p /var/tmp
VU_BLK=/host/vu-blk VU_BLK_POLLED={disk} test_blk_direct 'a_polled_*' 2>&1"""
# In pieces of a block each, and holes behind them.
FILE = """
mke2fs -q -t ext4 -b 4096 /dev/nvme0n1 && mount /dev/nvme0n1 /mnt || exit
for i in $(seq 48); do
    for file in image other; do dd if=/dev/zero bs=4k count=1 2>/dev/null >>/mnt/$file; done
    sync
done
truncate -s 16M /mnt/image"""
WANTED = ("a_polled_disk_serves_a_thread_that_sleeps", "a_polled_disk_serves_a_thread_that_polls",
          "a_polled_disk_serves_from_registered_memory", "a_polled_disk_ends_with_requests_in_flight")
REFUSED = """
/host/vu-blk --socket-path=/tmp/s --blk-file=/dev/nvme0n1 --direct --iopoll --once >/tmp/log 2>&1 &
until [ -S /tmp/s ]; do usleep 100000; done
kill $!; wait $!; cat /tmp/log"""


def run_test(guest, disk):
    text = guest.run(TEST.format(disk=disk), check=False).text + "\n"
    for name in WANTED:
        assert f"OK ] {name}\n" in text, text


def test_qemu(t):
    build = os.path.dirname(os.path.dirname(t.program("vu-blk")))
    program = os.path.join(build, "tests/blk/test_blk_direct")
    image = Image(t.path("image"), 64)
    nvme = ["-drive", f"file={image.path},if=none,id=nvme,format=raw",
            "-device", "nvme,serial=1,drive=nvme"]
    with t.qemu(modules=["nvme", "ext4"], programs=[t.program("vu-blk"), program, "mke2fs"],
                memory=512, cpus=2, extra=nvme,
                files={"/lib/libvu.so.0": os.path.join(build, "lib/libvu.so.0")}) as guest:
        with t.check("a_disk_without_queues_to_be_polled_interrupts"):
            assert guest.run(NVME.format(polls=0)).text == "0", "it has queues to be polled"
            said = guest.run(REFUSED).text
            assert "no queues for that" in said and "going on with interrupts" in said, said
        with t.check("a_disk_is_polled"):
            polls = guest.run(NVME.format(polls=1)).text
            assert polls == "1", f"io_poll is {polls}"
            run_test(guest, "/dev/nvme0n1")
        with t.check("a_file_on_it_is_polled"):
            guest.run(FILE)
            run_test(guest, "/mnt/image")


if __name__ == "__main__":
    main()
