#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-input under real kernels: what a program in the guest sees of simulated devices.

Real devices need uinput, which is had in a guest: there tests/devices/test_input_evdev.c drives
vu-input with them.

QEMU 7.2 has vhost-user-input with KVM only; no QEMU lets this device reconnect.
"""

import functools
import re
import subprocess

from lib import Control, Skip, VhostUser, main, only_long

EV_SYN, EV_KEY, EV_REL, EV_ABS, EV_LED = 0, 1, 2, 3, 17
KEY_A, KEY_B, KEY_C, KEY_LEFTSHIFT, KEY_F12, BTN_LEFT, BTN_TOUCH = 30, 48, 46, 42, 88, 272, 330
ABS_MT_SLOT, ABS_MT_X, ABS_MT_Y, ABS_MT_ID = 47, 53, 54, 57
SYN = (EV_SYN, 0, 0)
END = (EV_KEY, KEY_F12, 1)  # what readers wait for

KEYBOARD = "libvu keyboard"  # what vu-input simulates by default
MOUSE = """\
name "Mouse of a guest test"
serial m-17
id BUS_USB 0x46d 0xc077 0x111
has BTN_LEFT..BTN_MIDDLE REL_X REL_Y REL_WHEEL KEY_F12
"""
GLASS = """\
name "Touchscreen of a guest test"
has INPUT_PROP_DIRECT BTN_TOUCH KEY_F12
abs ABS_X 0 4095 0 0 10
abs ABS_Y -8 2047 1 2 10
abs ABS_MT_SLOT 0 4
abs ABS_MT_POSITION_X 0 4095 0 0 10
abs ABS_MT_POSITION_Y -8 2047 1 2 10
abs ABS_MT_TRACKING_ID 0 65535
"""


def described(t, name, text):
    with open(t.path(name), "w", encoding="utf-8") as file:
        file.write(text)
    return f"--simulate={t.path(name)}"


def pressed(key, value):
    return [(EV_KEY, key, value), SYN]


def tapped(key):
    return pressed(key, 1) + pressed(key, 0)


class Reader:
    """A program in the guest that reads an input device, to the press of F12."""

    def __init__(self, guest, name):
        self._job = guest.start(f"guest-evread events '{name}' {END[0]} {END[1]}")
        self._job.wait_line(rb"^listening\n")

    def wait(self, count):
        """So many events have been read."""
        self._job.wait_line(rb"^listening\r?\n(?:\d+ \d+ -?\d+\r?\n){%d}" % count)

    def events(self):
        lines = self._job.wait().text.split("\n")
        events = [tuple(int(word) for word in line.split()) for line in lines[1:]]
        assert events[-1] == END, lines
        return events[:-1]


def about(guest, name):
    lines = guest.run(f"guest-evread about '{name}'").text.split("\n")
    return dict(line.partition(" ")[::2] for line in lines)


def end(control):
    control.say("key KEY_F12 1")
    control.say("key KEY_F12 0")


def keyboard(t, boot):
    with t.backend("vu-input", f"--control={t.path('control')}") as back_end, \
         boot(VhostUser("input", back_end), programs=[t.program("guest-evread")]) as guest, \
         Control(t.path("control")) as control:
        with t.check(f"{t.name}_guest_knows_the_keys_and_lights_of_the_keyboard"):
            facts = about(guest, KEYBOARD)
            assert facts["type1"] == " ".join(map(str, range(1, 128))), facts
            assert facts["type17"] == "0 1 2" and facts["types"] == "0 1 17 20", facts
        with t.check(f"{t.name}_guest_reads_exactly_what_is_typed"):
            reader = Reader(guest, KEYBOARD)
            control.say('type "a b"')
            control.say("tap KEY_LEFTSHIFT KEY_C")
            end(control)
            wanted = tapped(KEY_A) + tapped(57) + tapped(KEY_B) + pressed(KEY_LEFTSHIFT, 1) + \
                tapped(KEY_C) + pressed(KEY_LEFTSHIFT, 0)
            assert reader.events() == wanted
        with t.check(f"{t.name}_guest_loses_nothing_of_bursts_of_ten_times_its_ring"):
            # four entries under QEMU; the guest keeps 64 events for a reader
            reader = Reader(guest, KEYBOARD)
            for i in range(1, 11):
                control.say("type ababababab")
                reader.wait(40 * i)
            end(control)
            assert reader.events() == (tapped(KEY_A) + tapped(KEY_B)) * 50
        with t.check(f"{t.name}_light_that_the_guest_switches_is_seen_by_the_host"):
            guest.run(f"guest-evread status '{KEYBOARD}' {EV_LED} 1 1")
            control.hear("led LED_CAPSL 1")
            assert "lit LED_CAPSL" in control.say("state").split("\n")
            guest.run(f"guest-evread status '{KEYBOARD}' {EV_LED} 1 0")
            control.hear("led LED_CAPSL 0")
        comes_back(t, guest, control)


def comes_back(t, guest, control):
    with t.check(f"{t.name}_guest_unbinds_and_binds_its_driver_and_reads_on"):
        guest.run("cd /sys/bus/virtio/drivers/virtio_input; for i in 1 2 3; do "
                  "echo virtio0 >unbind; echo virtio0 >bind; done")
        reader = Reader(guest, KEYBOARD)
        control.say("type a")
        end(control)
        assert reader.events() == tapped(KEY_A)
    if not t.name.startswith("uml"):
        with t.check(f"{t.name}_guest_that_stood_still_learns_what_is_held_now"):
            reader = Reader(guest, KEYBOARD)
            guest.qmp("stop")
            control.say("type c")
            control.say("key KEY_B 1")
            guest.qmp("cont")
            control.say("key KEY_B 0")
            end(control)
            assert typed(reader) == tapped(KEY_B)
    with t.check(f"{t.name}_guest_is_told_after_a_reboot_what_is_held"):
        control.say("key KEY_B 1")
        guest.reboot()
        assert about(guest, KEYBOARD)["pressed"] == str(KEY_B)
        reader = Reader(guest, KEYBOARD)
        control.say("key KEY_B 0")
        control.say("type c")
        end(control)
        assert typed(reader) == pressed(KEY_B, 0) + tapped(KEY_C)


def typed(reader):
    """Without the repeats of a held key, which the guest makes by itself."""
    return [event for event in reader.events() if event[2] != 2 and event != (EV_SYN, 0, 1)]


def pointers(t, boot):
    """Two devices of one process."""
    glass_socket = t.path("glass.sock")
    with t.backend("vu-input", f"--socket-path={glass_socket}", f"--control={t.path('control')}",
                   described(t, "mouse", MOUSE), described(t, "glass", GLASS)) as mouse, \
         boot(VhostUser("input", mouse), VhostUser("input", glass_socket),
              programs=[t.program("guest-evread")]) as guest, \
         Control(t.path("control")) as control, Control(t.path("control.1")) as glass_control:
        moved(t, guest, control)
        touched(t, guest, glass_control)


def moved(t, guest, control):
    name = "Mouse of a guest test"
    with t.check(f"{t.name}_guest_knows_name_serial_ids_and_buttons_of_the_mouse"):
        facts = about(guest, name)
        assert facts["id"] == f"3 {0x46d} {0xc077} {0x111}" and facts["serial"] == "m-17", facts
        assert facts["type1"] == "88 272 273 274" and facts["type2"] == "0 1 8", facts
    with t.check(f"{t.name}_guest_reads_exactly_how_the_mouse_moves"):
        reader = Reader(guest, name)
        control.say("move 5 -3")
        control.say("event EV_REL REL_WHEEL -1")
        control.say("syn")
        control.say("tap BTN_LEFT")
        end(control)
        assert reader.events() == [(EV_REL, 0, 5), (EV_REL, 1, -3), SYN, (EV_REL, 8, -1), SYN] + \
            tapped(BTN_LEFT)
    with t.check(f"{t.name}_guest_reads_a_recording_as_it_was"):
        with open(t.path("recording"), "w", encoding="utf-8") as file:
            for i in range(50):
                file.write(f"E: {i // 100}.{i % 100:02d}0000 0002 0000 {i + 1}\n"
                           f"E: {i // 100}.{i % 100:02d}0000 0000 0000 0\n")
        reader = Reader(guest, name)
        control.say(f"replay {t.path('recording')}")
        control.hear("replayed")
        end(control)
        assert reader.events() == [e for i in range(50) for e in ((EV_REL, 0, i + 1), SYN)]


def touched(t, guest, control):
    name = "Touchscreen of a guest test"
    with t.check(f"{t.name}_guest_knows_the_axes_of_the_touchscreen"):
        facts = about(guest, name)
        assert facts["properties"] == "1", facts
        assert facts["abs0"] == "0 4095 0 0 10" and facts["abs1"] == "-8 2047 1 2 10", facts
        assert facts["abs47"] == "0 4 0 0 0" and facts["abs54"] == "-8 2047 1 2 10", facts
    with t.check(f"{t.name}_guest_reads_exactly_where_two_fingers_are"):
        reader = Reader(guest, name)
        control.say("touch 0 100 200")
        control.say("touch 1 300 400")
        control.say("lift 0")
        control.say("lift 1")
        end(control)
        wanted = [(EV_ABS, ABS_MT_ID, 0), (EV_ABS, ABS_MT_X, 100), (EV_ABS, ABS_MT_Y, 200),
                  (EV_KEY, BTN_TOUCH, 1), (EV_ABS, 0, 100), (EV_ABS, 1, 200), SYN,
                  (EV_ABS, ABS_MT_SLOT, 1), (EV_ABS, ABS_MT_ID, 1), (EV_ABS, ABS_MT_X, 300),
                  (EV_ABS, ABS_MT_Y, 400), SYN,
                  (EV_ABS, ABS_MT_SLOT, 0), (EV_ABS, ABS_MT_ID, -1), SYN,
                  (EV_ABS, ABS_MT_SLOT, 1), (EV_ABS, ABS_MT_ID, -1), (EV_KEY, BTN_TOUCH, 0), SYN]
        assert reader.events() == wanted


def test_qemu(t):
    keyboard(t, t.qemu)


def test_qemu10(t):
    keyboard(t, functools.partial(t.qemu, qemu=t.newer_qemu))


@only_long
def test_qemu11(t):
    keyboard(t, functools.partial(t.qemu, qemu=t.newest_qemu))


def test_qemu10_pointers(t):
    pointers(t, functools.partial(t.qemu, qemu=t.newer_qemu))


def test_uml(t):
    keyboard(t, functools.partial(t.uml, linux=t.built_uml))


def test_uml_pointers(t):
    pointers(t, functools.partial(t.uml, linux=t.built_uml))


def test_devices_of_the_machine(t):
    """uinput's, in a guest that has no other part in it."""
    program = t.program("vu-input")
    capabilities = subprocess.run([program, "--print-capabilities"], capture_output=True, check=True)
    if b"evdev-path" not in capabilities.stdout:
        raise Skip("vu-input was built without libevdev")
    suite = "guest-input-evdev"
    with t.qemu(modules=["evdev", "uinput"],
                programs=[program, t.program(suite)]) as guest:
        result = guest.run(f"VU_INPUT=/host/vu-input {suite} 2>&1", check=False)
        report_suite(t, result)


def report_suite(t, result):
    """A check for each test of a cmocka suite, by its own name."""
    said = re.split(r"^\[ RUN +\] ", result.text, flags=re.M)[1:]
    for part in said:
        name = part.split()[0]
        with t.check(f"evdev_{name}"):
            assert f"[       OK ] {name}" in part, part
    with t.check("evdev_all_tests_of_real_devices_ran"):
        assert said and re.search(rf"\[=+\] {len(said)} test\(s\) run", result.text), result.text


if __name__ == "__main__":
    main()
