#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The examples of the crate libvu under a real kernel, in one guest: entropy devices, a disk, an I2C bus.

They are built here, by tests/rust/cargo.py; without cargo they are skipped, and without the crate tokio one is.
"""

import contextlib
import os
import re
import socket
import subprocess
import sys

from lib import Skip, VhostUser, main
from lib.kernel import Kernel
from python_i2c import bus_number

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


CHECKS = {"rng": "qemu_guest_reads_what_the_rust_device_of_24_lines_serves",
          "later": "qemu_guest_reads_what_tasks_of_an_executor_complete",
          "tokio": "qemu_guest_reads_what_tasks_of_tokio_complete"}


def cargo(t, what):
    """Builds; the build folder.  Raises Skip where that cannot be."""
    build = os.path.normpath(os.path.join(os.path.dirname(t.program("vu-rng")), ".."))
    done = subprocess.run([sys.executable, f"{ROOT}/tests/rust/cargo.py", ROOT, build, what],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode == 77:
        raise Skip(done.stdout.strip().splitlines()[-1])
    assert done.returncode == 0, done.stdout
    return build


def can_have(t, sentence, get):
    """Whether the machine has what a part of the test needs; says why not."""
    try:
        get()
        return True
    except Skip as reason:
        t.skip(sentence, str(reason))
        return False


def source(t, name):
    """Numbered lines of 16 bytes that say which device they are of."""
    with open(t.path(name), "w", encoding="ascii") as file:
        file.writelines(f"{name:<6}{n:09d}\n" for n in range(100000))
    return file.name


def lines_of(data, name):
    return [int(n) for n in re.findall(rb"%-6s(\d{9})\n" % name.encode(), data)]


def read_rngs(t, guest, names):
    heard = {}
    for name in guest.run("cat /sys/class/misc/hw_random/rng_available").text.split():
        if name.startswith("virtio_rng"):
            data = guest.run(f"echo {name} >/sys/class/misc/hw_random/rng_current && "
                             "dd if=/dev/hwrng bs=64 count=64 iflag=fullblock 2>/dev/null").output
            heard.update({one: numbers for one in CHECKS if len(numbers := lines_of(data, one)) > 100})
    for name in names:
        with t.check(CHECKS[name]):
            assert name in heard, f"heard of {list(heard)}"
            assert heard[name] == sorted(set(heard[name])), "out of order"


def tell(control, line):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(control)
        client.sendall(line.encode() + b"\n")
        answer = client.makefile("rb").readline()
    assert answer == b"ok\n", answer


def use_disk(t, guest, control):
    with t.check("qemu_guest_keeps_a_file_system_in_a_rust_vec"):
        guest.run("mke2fs -q -t ext4 /dev/vda && mount -o errors=remount-ro /dev/vda /mnt && "
                  "dd if=/dev/urandom of=/mnt/file bs=64k count=32 2>/dev/null && "
                  "md5sum /mnt/file >/tmp/sum && umount /mnt && "
                  "mount -o errors=remount-ro /dev/vda /mnt && md5sum -c /tmp/sum")
    with t.check("qemu_guest_sees_its_writes_fail_while_we_say_so"):
        tell(control, "fail on")
        assert guest.run("dd if=/dev/zero of=/mnt/more bs=4k count=8 conv=fsync 2>&1",
                         check=False).status != 0
        guest.wait_console(rb"I/O error.*vda|vda.*I/O error")
        tell(control, "fail off")
    with t.check("qemu_guest_uses_the_disk_again_once_it_is_mended"):
        guest.run("umount /mnt; mke2fs -q -F -t ext4 /dev/vda && mount /dev/vda /mnt && "
                  "echo fine >/mnt/file && sync && umount /mnt")


def use_bus(t, guest):
    bus = bus_number(guest)
    guest.until(f"[ -e /dev/i2c-{bus} ]")
    with t.check("qemu_guest_finds_the_chip_in_a_rust_array"):
        found = guest.run(f"i2cdetect -y -r {bus}").text
        cells = [c for line in found.split("\n")[1:] for c in line.split()[1:]]
        assert [c for c in cells if c != "--"] == ["50"], found
        said = guest.run(f"i2ctransfer -y {bus} w1@0x50 0 r1@0x51 r1@0x50 2>&1", check=False)
        assert said.status != 0 or "only 1/3 messages" in said.text, said.text
    with t.check("qemu_guest_reads_and_writes_it_through_at24"):
        guest.run(f"echo 24c02 0x50 >/sys/bus/i2c/devices/i2c-{bus}/new_device")
        path = f"/sys/bus/i2c/devices/{bus}-0050/eeprom"
        assert guest.run(f"cat {path}").output == b"in Rust\n".ljust(256, b"\xff")
        guest.run(f"printf hello | dd of={path} bs=1 seek=100 conv=notrunc 2>/dev/null")
        wanted = b"in Rust\n".ljust(100, b"\xff") + b"hello".ljust(156, b"\xff")
        assert guest.run(f"cat {path}").output == wanted


def test_rust(t):
    build = cargo(t, "examples")
    env, place = ["env", f"LD_LIBRARY_PATH={build}/lib"], f"{build}/tests/rust/target/debug/examples"
    names = [name for name in CHECKS
             if name != "tokio" or can_have(t, CHECKS[name], lambda: cargo(t, "tokio_example"))]
    i2c = can_have(t, "qemu_guest_finds_the_chip_in_a_rust_array",
                   lambda: Kernel.debian(store=t.store).modules(["i2c_virtio"]))
    control = t.path("control")
    with contextlib.ExitStack() as stack:
        def start(name, example, *args):
            return stack.enter_context(t.peer(name, *env, f"{place}/{example}", *args))
        devices = [VhostUser("rng", start("rng", "rng", "--socket-path={socket}", f"--source={source(t, 'rng')}")),
                   VhostUser("rng", start("later", "async_rng", "--socket-path={socket}",
                                          f"--source={source(t, 'later')}")),
                   VhostUser("blk", start("blk", "blk", "--socket-path={socket}", f"--control={control}"),
                             num_queues=2)]
        if "tokio" in names:
            devices.append(VhostUser("rng", start("tokio", "tokio_rng", "{socket}", source(t, "tokio"))))
        if i2c:
            devices.append(VhostUser("i2c", start("i2c", "i2c", "--socket-path={socket}", "--text=in Rust\n")))
        guest = stack.enter_context(t.qemu(
            *devices, modules=["ext4"] + ["at24"] * i2c, complaints_ok=True,
            programs=["mke2fs"] + ["i2cdetect", "i2ctransfer"] * i2c))
        read_rngs(t, guest, names)
        use_disk(t, guest, control)
        if i2c:
            use_bus(t, guest)


if __name__ == "__main__":
    main()
