#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-i2c under real kernels: i2c-tools, at24 and lm75 on its simulated chips.

The other back-end, chips of the machine that it runs on, runs inside a guest, where there are I2C
adapters: one of virtio (another vu-i2c behind it), and QEMU's, which can only do SMBus.  There the
test peer is its front-end.
"""

import functools
import hashlib
import os
import re

from lib import VhostUser, main, only_long
from lib.control import Control

TOOLS = ["i2cdetect", "i2cdump", "i2cget", "i2cset", "i2ctransfer"]
TEXT = b"from the host\n"
CHIPS = """\
eeprom 0x50 {file}   # what the host sees of it
registers 0x48       # an LM75
reg 0x48 0 0x1900 16
reg 0x48 1 0 rw
reg 0x48 2 0x4b00 16 rw
reg 0x48 3 0x5000 16 rw
registers 0x49 pec   # the same with packet error codes
reg 0x49 0 0x1900 16
reg 0x49 1 0x60 rw
eeprom 0x54 24c256 {large}
"""
LARGE = b"32 KiB "


def stats(control):
    """How many transfers there were, and how many messages in them."""
    return [int(number) for number in re.findall(r"\d+", control.say("stats"))]


def bus_number(guest, name):
    """The number of the bus with this name, once its device node is there."""
    guest.until(f"grep -q '{name}' /sys/bus/i2c/devices/i2c-*/name")
    names = guest.run("grep -H . /sys/bus/i2c/devices/i2c-*/name").text
    bus = re.search(rf"i2c-(\d+)/name:{name}", names)[1]
    guest.until(f"[ -e /dev/i2c-{bus} ]")
    return bus


def chips(t):
    """The arguments, with an EEPROM in a file that begins with TEXT."""
    with open(t.path("eeprom"), "wb") as file:
        file.write(TEXT)
    with open(t.path("chips"), "w", encoding="utf-8") as file:
        file.write(CHIPS.format(file=t.path("eeprom"), large=t.path("large")))
    with open(t.path("large"), "wb") as file:
        file.write(LARGE * 1000)
    return [f"--chips={t.path('chips')}", f"--control={t.path('control')}"]


def eeprom_file(t):
    with open(t.path("eeprom"), "rb") as file:
        return file.read()


def tools(t, guest, bus, control):
    with t.check(f"{t.name}_guest_detects_the_chips_by_quick_writes_and_by_reads"):
        for mode in ("-q", "-r"):
            found = guest.run(f"i2cdetect -y {mode} {bus}").text
            cells = [c for line in found.split("\n")[1:] for c in line.split()[1:]]
            assert [c for c in cells if c != "--"] == ["48", "49", "50", "54"], found
    with t.check(f"{t.name}_guest_gets_and_sets_bytes"):
        assert guest.run(f"i2cget -y {bus} 0x50 5").text == f"{TEXT[5]:#04x}"
        guest.run(f"i2cset -y {bus} 0x50 0x80 0x5a")
        assert guest.run(f"i2cget -y {bus} 0x50 0x80").text == "0x5a"
        assert eeprom_file(t)[0x80] == 0x5a
        assert guest.run(f"i2cget -y {bus} 0x48 0 w").text == "0x0019"
        # the current address: behind the last
        assert guest.run(f"i2cset -y {bus} 0x50 4; i2cget -y {bus} 0x50; "
                         f"i2cget -y {bus} 0x50").text.split() == [f"{b:#04x}" for b in TEXT[4:6]]
    with t.check(f"{t.name}_guest_dumps_all_of_the_eeprom"):
        rows = guest.run(f"i2cdump -y {bus} 0x50 b").text.split("\n")[1:]
        dump = bytes.fromhex("".join(row[4:51] for row in rows))
        assert dump == eeprom_file(t), rows
    with t.check(f"{t.name}_guest_transfers_groups_as_large_as_the_ring"):
        # four messages, and QEMU's ring has four entries
        before = stats(control)
        said = guest.run(f"i2ctransfer -y {bus} w1@0x50 0 r4@0x50 w1@0x50 9 r4@0x50").text
        wanted = [" ".join(f"{b:#04x}" for b in TEXT[i:i + 4]) for i in (0, 9)]
        assert said.split("\n") == wanted, said
        assert [a - b for a, b in zip(stats(control), before)] == [1, 4]
    if t.name.startswith("qemu"):
        with t.check(f"{t.name}_guest_gets_what_there_was_room_for_of_a_larger_group"):
            said = guest.run(f"i2ctransfer -y {bus} w1@0x50 0 r4@0x50 w1@0x50 9 r4@0x50 w1@0x50 0 "
                             "r1@0x50 2>&1").text
            assert "only 4/6 messages" in said, said
            assert guest.run(f"i2cget -y {bus} 0x50").text == f"{TEXT[13]:#04x}"
    with t.check(f"{t.name}_guest_sees_that_nobody_answers"):
        assert guest.run(f"i2cget -y {bus} 0x51 0", check=False).status != 0
        said = guest.run(f"i2ctransfer -y {bus} w1@0x50 0 r1@0x51 r1@0x50 2>&1").text
        assert "only 1/3 messages" in said, said


def bind_at24(guest, bus):
    guest.run(f"echo 24c02 0x50 >/sys/bus/i2c/devices/i2c-{bus}/new_device")
    return f"/sys/bus/i2c/devices/{bus}-0050/eeprom"


def at24(t, guest, bus):
    with t.check(f"{t.name}_guest_reads_and_writes_the_eeprom_through_at24"):
        path = bind_at24(guest, bus)
        assert guest.run(f"cat {path}").output == eeprom_file(t)
        guest.run(f"printf 'by the guest' | dd of={path} bs=1 seek=60 conv=notrunc 2>/dev/null")
        assert eeprom_file(t)[60:73] == b"by the guest\xff"
        assert guest.run(f"cat {path}").output == eeprom_file(t)


def large_at24(t, guest, bus):
    with t.check(f"{t.name}_guest_reads_and_writes_a_24c256_through_at24"):
        guest.run(f"echo 24c256 0x54 >/sys/bus/i2c/devices/i2c-{bus}/new_device")
        path = f"/sys/bus/i2c/devices/{bus}-0054/eeprom"
        assert guest.run(f"cat {path} | wc -c").text.strip() == "32768"
        text = "written across pages and beyond the first 256 bytes"
        guest.run(f"printf '{text}' | dd of={path} bs=1 seek=30000 conv=notrunc 2>/dev/null")
        guest.run(f"printf '{text}' | dd of={path} bs=64 seek=100 conv=notrunc 2>/dev/null")
        with open(t.path("large"), "rb") as file:
            held = file.read()
        assert held[30000:30000 + len(text)] == held[6400:6400 + len(text)] == text.encode()
        assert held[:6400] == (LARGE * 1000)[:6400] and len(held) == 32768
        assert guest.run(f"md5sum <{path}").text.split()[0] == hashlib.md5(held).hexdigest()


def error_codes(t, guest, bus, control):
    with t.check(f"{t.name}_guest_uses_packet_error_codes"):
        def get(chip, mode):
            return guest.run(f"i2cget -y {bus} {chip} {mode} 2>&1", check=False)

        said = [get("0x49", mode).text for mode in ("0 wp", "1 bp", "1 b")]
        assert said == ["0x0019", "0x60", "0x60"], said
        guest.run(f"i2cset -y {bus} 0x49 1 0x25 bp")
        control.hear("written 0x49 0x01 0x25")
        assert get("0x49", "1 bp").text == "0x25"
        # the codes are looked at on both sides: this chip has none, and that one sees a wrong one
        none = get("0x48", "1 bp")
        assert none.status != 0, none.text
        wrong = guest.run(f"i2ctransfer -y {bus} w3@0x49 1 0x26 0 2>&1", check=False)
        assert "only 0/1 messages" in wrong.text, wrong.text
        assert get("0x49", "1 b").text == "0x25"


def simulated(t, boot, lm75):
    modules = ["at24"] + (["lm75"] if lm75 else [])
    with t.backend("vu-i2c", *chips(t)) as i2c, \
         boot(VhostUser("i2c", i2c), programs=TOOLS, modules=modules) as guest:
        control = Control(t.path("control"))
        bus = bus_number(guest, "i2c_virtio")
        tools(t, guest, bus, control)
        at24(t, guest, bus)
        large_at24(t, guest, bus)
        error_codes(t, guest, bus, control)
        if lm75:
            sensor(t, guest, bus, control)
        with t.check(f"{t.name}_guest_sees_a_transfer_fail_when_the_host_says_so"):
            control.say("nak")
            assert guest.run(f"i2cget -y {bus} 0x48 0 w", check=False).status != 0
            assert guest.run(f"i2cget -y {bus} 0x48 0 w").text.startswith("0x")
        with t.check(f"{t.name}_guest_finds_its_bytes_again_after_a_reboot"):
            guest.reboot()
            bus = bus_number(guest, "i2c_virtio")
            assert guest.run(f"i2cget -y {bus} 0x50 60").text == f"{ord('b'):#04x}"
            assert guest.run(f"cat {bind_at24(guest, bus)}").output == eeprom_file(t)


def sensor(t, guest, bus, control):
    with t.check(f"{t.name}_guest_reads_the_temperature_that_the_host_sets"):
        guest.run(f"echo lm75 0x48 >/sys/bus/i2c/devices/i2c-{bus}/new_device")
        hwmon = f"/sys/bus/i2c/devices/{bus}-0048/hwmon/hwmon*"
        assert guest.run(f"cat {hwmon}/temp1_input").text == "25000"
        control.say("reg 0x48 0 0x2a80")
        # the driver keeps a value for a while
        guest.until(f"[ $(cat {hwmon}/temp1_input) = 42500 ]")
    with t.check(f"{t.name}_host_hears_of_the_limit_that_the_guest_sets"):
        guest.run(f"echo 60000 >$(echo {hwmon}/temp1_max)")
        control.hear("written 0x48 0x03 0x3c00")
        guest.run(f"echo 0x48 >/sys/bus/i2c/devices/i2c-{bus}/delete_device")


def test_qemu(t):
    simulated(t, t.qemu, lm75=True)


def test_qemu10(t):
    simulated(t, functools.partial(t.qemu, qemu=t.newer_qemu), lm75=True)


@only_long
def test_qemu11(t):
    simulated(t, functools.partial(t.qemu, qemu=t.newest_qemu), lm75=True)


def test_uml(t):
    simulated(t, functools.partial(t.uml, linux=t.built_uml), lm75=False)


def inside(guest, args, *groups):
    """vu-i2c in the guest, and the test peer on it: the lines that the peer prints."""
    quoted = " ".join(f"'{group}'" for group in groups)
    return guest.run(f"""
        vu-i2c --socket-path=/tmp/bus {args} 2>/tmp/log & pid=$!
        until [ -e /tmp/bus ]; do usleep 20000; done
        guest-i2c-peer /tmp/bus {quoted}; status=$?
        kill $pid; wait $pid || status=$?; [ $status = 0 ] || cat /tmp/log >&2
        exit $status""").text.split("\n")


def test_adapters_of_the_machine(t):
    libvu = os.path.join(os.path.dirname(t.program("vu-i2c")), "../lib/libvu.so.0")
    with t.backend("vu-i2c", *chips(t)) as i2c, \
         t.qemu(VhostUser("i2c", i2c), modules=["at24", "i2c_i801"],
                files={"/lib/libvu.so.0": libvu},
                programs=TOOLS + [t.program("vu-i2c"), t.program("guest-i2c-peer")]) as guest:
        bus, control = bus_number(guest, "i2c_virtio"), Control(t.path("control"))
        with t.check("groups_reach_a_real_bus_as_combined_transfers"):
            before = stats(control)
            said = inside(guest, f"--bus=/dev/i2c-{bus}:0x48,0x50", "0x50:w05,0x50:r8",
                          "0x48:w00,0x48:r2", "0x50:w204f4b,0x50:w1f,0x50:r4", "0x50:w05",
                          "0x50:r3")
            assert said == [f"ok, ok {TEXT[5:13].hex()}", "ok, ok 1900", "ok, ok, ok ff4f4bff",
                            "ok", f"ok {TEXT[5:8].hex()}"], said
            assert eeprom_file(t)[0x20:0x22] == b"OK"
            # the chips' side saw the very groups that the peer made
            assert [a - b for a, b in zip(stats(control), before)] == [5, 9]
        with t.check("zero_length_requests_reach_a_real_bus"):
            said = inside(guest, f"--bus=/dev/i2c-{bus}:0x50,0x51", "0x50:w", "0x50:r0", "0x51:w")
            assert said == ["ok", "ok", "error"], said
        with t.check("addresses_that_were_not_given_are_out_of_reach"):
            said = inside(guest, f"--bus=/dev/i2c-{bus}:0x48", "0x50:w05,0x50:r8", "0x48:w00")
            assert said == ["error, error", "ok"], said
        with t.check("an_adapter_that_can_only_do_smbus_does_what_it_can"):
            smbus_only(guest)
        with t.check("a_chip_that_a_driver_uses_is_not_given_away"):
            bind_at24(guest, bus)
            refused = guest.run(f"vu-i2c --socket-path=/tmp/bus --bus=/dev/i2c-{bus}:0x50 2>&1",
                                check=False)
            assert refused.status == 1 and "in use by a driver" in refused.text, refused.text


def smbus_only(guest):
    """QEMU's ICH9 has an EEPROM at 0x50; i2c-tools say what is in it."""
    bus = bus_number(guest, "SMBus I801")
    # Linux may have made a device for the memory module
    guest.run(f"cd /sys/bus/i2c/devices/i2c-{bus}; [ ! -e {bus}-0050/driver ] || "
              f"echo {bus}-0050 >{bus}-0050/driver/unbind")
    assert re.search(r"^I2C +no$", guest.run(f"i2cdetect -F {bus}").text, re.M)
    chips_of_it = f"--bus=/dev/i2c-{bus}:0x50,0x5f"
    # a byte, a word, a block
    said = inside(guest, chips_of_it, "0x50:w", "0x50:w2011", "0x50:w212233", "0x50:w234455667788")
    assert said == ["ok"] * 4, said
    held = [guest.run(f"i2cget -y {bus} 0x50 {i}").text for i in range(0x20, 0x28)]
    assert held == [f"{i:#04x}" for i in bytes.fromhex("1122334455667788")], held
    said = inside(guest, chips_of_it, "0x50:w20,0x50:r1", "0x50:w21,0x50:r2", "0x50:w21,0x50:r7",
                  "0x50:w22", "0x50:r1", "0x5f:w00,0x5f:r1", "0x50:w20,0x50:w21,0x50:r1")
    # of a block QEMU's adapter gets the last byte wrong, whoever asks (i2cget -y 0 0x50 0x21 i 7)
    assert said[2][:-2] == "ok, ok 223344556677", said
    said.pop(2)
    assert said == ["ok, ok 11", "ok, ok 2233", "ok", "ok 33", "error, error",
                    "error, error, error"], said


if __name__ == "__main__":
    main()
