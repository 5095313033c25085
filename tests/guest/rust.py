#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The examples of the crate libvu under a real kernel: two entropy devices and a disk, in one guest.

They are built here, by tests/rust/cargo.py; without cargo they are skipped.
"""

import contextlib
import os
import re
import subprocess
import sys

from lib import Skip, VhostUser, main

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def examples(t):
    """The beginning of the command of each example, without its name."""
    build = os.path.normpath(os.path.join(os.path.dirname(t.program("vu-rng")), ".."))
    done = subprocess.run([sys.executable, f"{ROOT}/tests/rust/cargo.py", ROOT, build, "examples"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode == 77:
        raise Skip(done.stdout.strip().splitlines()[-1])
    assert done.returncode == 0, done.stdout
    return ["env", f"LD_LIBRARY_PATH={build}/lib"], f"{build}/tests/rust/target/debug/examples"


def source(t, name):
    """Numbered lines of 16 bytes that say which device they are of."""
    with open(t.path(name), "w", encoding="ascii") as file:
        file.writelines(f"{name:<6}{n:09d}\n" for n in range(100000))
    return file.name


def lines_of(data, name):
    return [int(n) for n in re.findall(rb"%-6s(\d{9})\n" % name.encode(), data)]


def read_rngs(t, guest):
    heard = {}
    for name in guest.run("cat /sys/class/misc/hw_random/rng_available").text.split():
        if name.startswith("virtio_rng"):
            data = guest.run(f"echo {name} >/sys/class/misc/hw_random/rng_current && "
                             "dd if=/dev/hwrng bs=64 count=64 iflag=fullblock 2>/dev/null").output
            heard.update({one: numbers for one in ("rng", "later")
                          if len(numbers := lines_of(data, one)) > 100})
    for name, check in {"rng": "qemu_guest_reads_what_the_rust_device_of_24_lines_serves",
                        "later": "qemu_guest_reads_what_tasks_of_an_executor_complete"}.items():
        with t.check(check):
            assert name in heard, f"heard of {list(heard)}"
            assert heard[name] == sorted(set(heard[name])), "out of order"


def use_disk(t, guest, fails):
    with t.check("qemu_guest_keeps_a_file_system_in_a_rust_vec"):
        guest.run("mke2fs -q -t ext4 /dev/vda && mount -o errors=remount-ro /dev/vda /mnt && "
                  "dd if=/dev/urandom of=/mnt/file bs=64k count=32 2>/dev/null && "
                  "md5sum /mnt/file >/tmp/sum && umount /mnt && "
                  "mount -o errors=remount-ro /dev/vda /mnt && md5sum -c /tmp/sum")
    with t.check("qemu_guest_sees_its_writes_fail_while_we_say_so"):
        with open(fails, "w", encoding="ascii"):
            pass
        assert guest.run("dd if=/dev/zero of=/mnt/more bs=4k count=8 conv=fsync 2>&1",
                         check=False).status != 0
        guest.wait_console(rb"I/O error.*vda|vda.*I/O error")
        os.unlink(fails)
    with t.check("qemu_guest_uses_the_disk_again_once_it_is_mended"):
        guest.run("umount /mnt; mke2fs -q -F -t ext4 /dev/vda && mount /dev/vda /mnt && "
                  "echo fine >/mnt/file && sync && umount /mnt")


def test_rust(t):
    env, place = examples(t)
    fails = t.path("fails")
    with contextlib.ExitStack() as stack:
        def start(name, example, *args):
            return stack.enter_context(t.peer(name, *env, f"{place}/{example}",
                                              "--socket-path={socket}", *args))
        devices = [VhostUser("rng", start("rng", "rng", f"--source={source(t, 'rng')}")),
                   VhostUser("rng", start("later", "async_rng", f"--source={source(t, 'later')}")),
                   VhostUser("blk", start("blk", "blk", f"--fails-while={fails}"), num_queues=2)]
        guest = stack.enter_context(t.qemu(*devices, modules=["ext4"], programs=["mke2fs"],
                                           complaints_ok=True))
        read_rngs(t, guest)
        use_disk(t, guest, fails)


if __name__ == "__main__":
    main()
