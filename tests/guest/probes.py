#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The scripts in docs/usdt under Debian's bpftrace: what they print of a vu-blk at work.

Back-end, front-end (vu-bench) and bpftrace are programs of one guest, whose root may load what it likes into its kernel.
"""

import os
import re

from lib import main, only_long, rootdisk
from lib.fetch import Packages
from lib.tree import Tree

MIB = 1024
SCRIPTS = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "usdt")
SERVE = "truncate -s 8M /run/disk; vu-blk --blk-file=/run/disk --socket-path=/run/s >/run/log 2>&1 &"
BENCH = "vu-bench --socket-path=/run/s --rw=randread --size=8M --time=2"


def image(t):
    tree = Packages("bookworm", "bpftrace", whole=True).tree(t.store)

    def add(scratch):
        root = Tree(scratch, tree)
        for name in ("vu-blk", "vu-bench"):
            root.put(f"/host/{name}", t.program(name))
        root.put("/host/bpftrace", f"{tree}/usr/bin/bpftrace")
        for name in ("latency.bt", "messages.bt"):
            root.put(f"/scripts/{name}", os.path.join(SCRIPTS, name))

    path = t.path("root")
    with open(path, "wb") as file:
        file.truncate(MIB << 20)
    rootdisk.fill(path, t.path("tree"), add)
    return path


def begin(guest, script):
    """bpftrace has found its probes."""
    guest.run("mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null; mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null\n"
              f"bpftrace -p $(pidof vu-blk) /scripts/{script} >/run/said 2>&1 &\necho $! >/run/pid")
    guest.until("grep -q '^Attaching [0-9]* probes' /run/said || { cat /run/said; ! kill -0 $(cat /run/pid); }")


def end(guest):
    """What it said, once it was told to end."""
    guest.run("kill -INT $(cat /run/pid)")
    guest.until("! kill -0 $(cat /run/pid)")
    return guest.run("cat /run/said").text


@only_long
def test_qemu(t):
    with t.qemu(modules=["virtio_blk", "ext4"], memory=1536, cmdline="vu.root=vda",
                extra=["-drive", f"file={image(t)},format=raw,if=none,id=root,cache=unsafe",
                       "-device", "virtio-blk-pci,drive=root"]) as guest:
        guest.run(SERVE)
        with t.check("messages_are_printed_as_they_come_and_interrupts_counted"):
            begin(guest, "messages.bt")
            guest.run(BENCH)
            said = end(guest)
            t.say(said[-1500:])
            # GET_FEATURES, SET_MEM_TABLE or ADD_MEM_REG with a descriptor, SET_VRING_KICK with one
            assert "blk0: message 1, 0 bytes, 0 descriptors" in said, said
            assert re.search(r"^blk0: message (5|37), \d+ bytes, 1 descriptors$", said, re.M), said
            assert re.search(r"^blk0: message 12, 8 bytes, 1 descriptors$", said, re.M), said
            assert re.search(r"^@interrupts\[blk0, 0\]: \d+$", said, re.M), said
        with t.check("times_of_requests_are_drawn_for_each_queue"):
            begin(guest, "latency.bt")
            guest.run(BENCH)
            said = end(guest)
            t.say(said[-3000:])
            assert re.search(r"^@us\[blk0, 0\]: *$", said, re.M) and re.search(r"^\[\d+.*\) +\d+ \|@+", said, re.M), said
            moved = re.search(r"^@bytes\[blk0, 0\]: (\d+)$", said, re.M)
            assert moved and int(moved[1]) > 4096, said
            assert "@taken" not in said


if __name__ == "__main__":
    main()
