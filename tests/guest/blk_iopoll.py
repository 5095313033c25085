#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-blk --iopoll, inside a guest: the Debian kernel's null_blk is a disk with queues to be polled.

The program and its test (tests/blk/test_direct.c) run in there; the front-end is the test's own.
"""

import os

from lib import main

NULL_BLK = """
rmmod null_blk 2>/dev/null
insmod /modules/null_blk.ko queue_mode=2 poll_queues={polls} memory_backed=1 gb=1 || exit
cat /sys/block/nullb0/queue/io_poll"""
TEST = """
mkdir -p /var/tmp
VU_BLK=/host/vu-blk VU_BLK_POLLED=/dev/nullb0 test_blk_direct 'a_polled_*' 2>&1"""
WANTED = ("a_polled_disk_serves_a_thread_that_sleeps", "a_polled_disk_serves_a_thread_that_polls",
          "a_polled_disk_serves_from_registered_memory", "a_polled_disk_ends_with_requests_in_flight")
REFUSED = """
/host/vu-blk --socket-path=/tmp/s --blk-file=/dev/nullb0 --direct --iopoll --once >/tmp/log 2>&1 &
for i in $(seq 100); do [ -S /tmp/s ] && break; usleep 100000; done
kill $!; wait $!; cat /tmp/log"""


def test_qemu(t):
    build = os.path.dirname(os.path.dirname(t.program("vu-blk")))
    program = os.path.join(build, "tests/blk/test_blk_direct")
    with t.qemu(modules=["null_blk"], programs=[t.program("vu-blk"), program], memory=512,
                files={"/lib/libvu.so.0": os.path.join(build, "lib/libvu.so.0")}) as guest:
        with t.check("a_disk_without_queues_to_be_polled_interrupts"):
            assert guest.run(NULL_BLK.format(polls=0)).text == "0", "it has queues to be polled"
            said = guest.run(REFUSED).text
            assert "no queues for that" in said and "going on with interrupts" in said, said
        with t.check("a_disk_is_polled"):
            polls = guest.run(NULL_BLK.format(polls=1)).text
            assert polls == "1", f"io_poll is {polls}"
            job = guest.run(TEST, timeout=240, check=False)
            for name in WANTED:
                assert f"OK ] {name}\n" in job.text + "\n", job.text


if __name__ == "__main__":
    main()
