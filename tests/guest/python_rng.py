#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The Python examples under real kernels: rng, a disk that fails, a keyboard.

They run in the environment that the build made (tests/python); without it they are skipped.
"""

import functools
import os
import re
import signal

from lib import Image, Skip, VhostUser, main

HERE = os.path.dirname(os.path.abspath(__file__))
EXAMPLES = os.path.join(HERE, "..", "..", "bindings", "python", "examples")


def python(t):
    """The interpreter that has the binding, as the beginning of a command."""
    place = os.path.join(t.program("vu-rng"), "..", "..", "tests", "python", "venv", "bin", "python")
    if not os.path.exists(os.path.normpath(place)):
        raise Skip("the Python binding was not built")
    return [os.path.normpath(place), "-B"]


def example(t, name, *args):
    """Starts an example as a back-end."""
    return t.peer(name, *python(t), f"{EXAMPLES}/{name}.py", "{socket}", *args)


def test_rng(t):
    with open(t.path("source"), "wb") as source:
        source.write(b"".join(b"%07d\n" % n for n in range(200000)))
    with example(t, "rng", t.path("source")) as rng, t.qemu(VhostUser("rng", rng)) as guest:
        with t.check("qemu_guest_reads_the_bytes_that_python_served"):
            data = guest.run("dd if=/dev/hwrng bs=64 count=64 iflag=fullblock 2>/dev/null").output
            numbers = [int(n) for n in re.findall(rb"(?<=\n)\d{7}(?=\n)", data)]
            assert len(data) == 4096 and len(numbers) > 400, f"{len(data)} bytes: {data[:64]}"
            assert numbers == sorted(set(numbers)), "out of order"
            t.say(f"{len(numbers)} lines of the source, in order")
        with t.check("qemu_guest_reboots_and_reads_on"):
            guest.reboot()
            assert re.search(rb"\d{7}\n\d{7}\n", guest.run("dd if=/dev/hwrng bs=64 count=1").output)


def test_blk(t):
    image = Image(t.path("disk"), 32)
    with example(t, "blk", image.path) as blk, \
         t.qemu(VhostUser("blk", blk, num_queues=1), modules=["ext4"], programs=["mke2fs"],
                complaints_ok=True) as guest:
        with t.check("qemu_guest_keeps_a_file_system_in_a_bytearray"):
            guest.run("mke2fs -q -t ext4 /dev/vda && mount -o errors=remount-ro /dev/vda /mnt && "
                      "dd if=/dev/urandom of=/mnt/file bs=64k count=64 2>/dev/null && "
                      "md5sum /mnt/file >/tmp/sum && umount /mnt && "
                      "mount -o errors=remount-ro /dev/vda /mnt && md5sum -c /tmp/sum")
        with t.check("qemu_guest_sees_writes_fail_from_the_moment_on_that_we_choose"):
            blk.signal(signal.SIGUSR1)
            assert guest.run("dd if=/dev/zero of=/mnt/more bs=4k count=8 conv=fsync 2>&1",
                             check=False).status != 0
            guest.wait_console(rb"I/O error.*vda|vda.*I/O error")
            said = guest.run("for i in $(seq 30); do touch /mnt/x$i || break; sync; sleep 0.2; "
                             "done 2>&1", check=False).text
            assert "Read-only file system" in said, said
            guest.wait_console(rb"EXT4-fs .vda.: Remounting filesystem read-only")
        with t.check("qemu_guest_reads_what_it_wrote_before"):
            guest.run("md5sum -c /tmp/sum")
        with t.check("qemu_guest_writes_again_once_the_disk_is_mended"):
            blk.signal(signal.SIGUSR2)
            guest.run("umount /mnt; mke2fs -q -F -t ext4 /dev/vda && mount /dev/vda /mnt && "
                      "echo fine >/mnt/file && sync && umount /mnt")


def keyboard(t, boot):
    with open(t.path("script"), "w", encoding="utf-8") as script:
        script.write("".join("0.5 30 48\n" for _ in range(400)))
    with example(t, "keyboard", t.path("script")) as keys, boot(VhostUser("input", keys)) as guest:
        with t.check(f"{t.name}_guest_finds_it_by_its_name_and_keys"):
            text = guest.run("cat /proc/bus/input/devices").text
            found = [d for d in text.split("\n\n") if "pylibvu keyboard" in d]
            assert found, text
            assert "B: KEY=1000040000000" in found[0], found[0]
        with t.check(f"{t.name}_guest_receives_what_the_script_types"):
            node = re.search(r"event\d+", found[0])[0]
            data = guest.run(f"dd if=/dev/input/{node} bs=24 count=12 2>/dev/null").output
            events = [(data[i + 16], data[i + 18], data[i + 20]) for i in range(0, len(data), 24)]
            packet = [(1, 30, 1), (1, 48, 1), (0, 0, 0), (1, 30, 0), (1, 48, 0), (0, 0, 0)]
            start = events.index(packet[0])
            assert start % 3 == 0 and events[start:start + 6] == packet[:len(events) - start], events


def test_keyboard_qemu10(t):
    # QEMU 7.2's vhost-user-input insists on KVM ("vhost initialization failed: requires kvm")
    keyboard(t, functools.partial(t.qemu, qemu=t.newer_qemu))


def test_keyboard_uml(t):
    keyboard(t, functools.partial(t.uml, linux=t.built_uml))


if __name__ == "__main__":
    main()
