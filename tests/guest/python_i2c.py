#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The Python EEPROM under real kernels: i2c-tools find it, at24 drives it, QEMU and UML carry it."""

import functools
import re

from lib import VhostUser, main
from python_rng import example

TEXT = "from Python\n"


def bus_number(guest):
    """The number of the virtio bus: QEMU's machine may have one of its own."""
    names = guest.run("grep -H . /sys/bus/i2c/devices/i2c-*/name").text
    return re.search(r"i2c-(\d+)/name:i2c_virtio", names)[1]


def eeprom(t, boot, **more):
    with example(t, "i2c_eeprom", TEXT) as chip, \
         boot(VhostUser("i2c", chip), programs=["i2cdetect", "i2cget", "i2cset"], modules=["at24"],
              **more) as guest:
        bus = bus_number(guest)
        guest.until(f"[ -e /dev/i2c-{bus} ]")
        with t.check(f"{t.name}_guest_detects_one_chip_on_the_bus"):
            # -r: reads; the example's chip answers no other probe than a transfer with data
            found = guest.run(f"i2cdetect -y -r {bus}").text
            cells = [c for line in found.split("\n")[1:] for c in line.split()[1:]]
            assert [c for c in cells if c != "--"] == ["50"], found
        with t.check(f"{t.name}_guest_gets_and_sets_a_byte"):
            assert guest.run(f"i2cget -y {bus} 0x50 5").text == "0x50"  # the P
            guest.run(f"i2cset -y {bus} 0x50 0x80 0x5a")
            assert guest.run(f"i2cget -y {bus} 0x50 0x80").text == "0x5a"
        with t.check(f"{t.name}_guest_reads_and_writes_the_eeprom_through_at24"):
            guest.run(f"echo 24c02 0x50 >/sys/bus/i2c/devices/i2c-{bus}/new_device")
            path = f"/sys/bus/i2c/devices/{bus}-0050/eeprom"
            data = guest.run(f"cat {path}").output
            assert data == (TEXT.encode().ljust(128, b"\xff") + b"\x5a").ljust(256, b"\xff"), data
            guest.run(f"printf hello | dd of={path} conv=notrunc 2>/dev/null")
            assert guest.run(f"head -c 12 {path}").output == b"helloPython\n"


def test_qemu(t):
    eeprom(t, t.qemu)


def test_qemu10(t):
    eeprom(t, functools.partial(t.qemu, qemu=t.newer_qemu))


def test_uml(t):
    eeprom(t, functools.partial(t.uml, linux=t.built_uml))


if __name__ == "__main__":
    main()
