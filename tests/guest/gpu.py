#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-gpu under unmodified kernels: what the guest shows is what QEMU shows, and what our screenshots have.

QEMU 7.2 has vhost-user-gpu with KVM only.  Hot-plug of monitors by vu-gpu needs a front-end that passes
on that its configuration space changed: QEMU 11's device without a nature of its own does.
"""

import functools
import json
import os
import re
import socket
import struct
import subprocess
import time
import zlib

from lib import Control, Generic, Pair, VhostUser, main, only_long, patience, process

STEPS = 20  # page flips


def picture(width, height, seed):
    """guest-drm's, as rows of RGB."""
    red = bytes((x * 3 + seed * 40) & 255 for x in range(width))
    for y in range(height):
        row = bytearray(3 * width)
        row[0::3], row[1::3] = red, bytes([(y * 5 + seed * 17) & 255]) * width
        row[2::3] = bytes((x ^ y) & 255 for x in range(width))
        yield bytes(row)


def full_picture(width, height, seed):
    return width, height, b"".join(picture(width, height, seed))


def read_png(path):
    """(width, height, RGB) of what vu-gpu writes: 8 bits, no filters."""
    with open(path, "rb") as file:
        data = file.read()
    at, packed, size = 8, b"", None
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8:at + 8 + length]
        if kind == b"IHDR":
            size = struct.unpack_from(">II", body)
        elif kind == b"IDAT":
            packed += body
        at += 12 + length
    (width, height), raw = size, zlib.decompress(packed)
    line = 3 * width + 1
    assert len(raw) == line * height and not any(raw[::line]), "filtered"
    return width, height, b"".join(raw[i * line + 1:(i + 1) * line] for i in range(height))


def read_ppm(path):
    """(width, height, RGB) of what QEMU writes."""
    with open(path, "rb") as file:
        kind, size, depth = (file.readline().split() for _ in range(3))
        pixels = file.read()
    assert kind == [b"P6"] and depth == [b"255"], kind
    width, height = map(int, size)
    assert len(pixels) == 3 * width * height
    return width, height, pixels


def shown(guest, t):
    """What QEMU shows."""
    path = t.path("dump.ppm")
    guest.qmp("screendump", filename=path)
    return read_ppm(path)


def is_line_of_text(picture):
    """A line on a console, and nothing else."""
    width, height, pixels = picture
    above = pixels[:3 * width * 16]
    return (width, height) == (1280, 800) and 300 < len(above) - above.count(0) and \
        not any(pixels[len(above):])


class Screen:
    """What is shown at the back-end, and at QEMU (`guest`; None: there nothing is)."""

    def __init__(self, t, control, guest=None):
        self._t, self._control, self._guest = t, control, guest

    def ours(self, output=0):
        self._control.say(f"screenshot shot.png {output}")
        return read_png(self._t.path("shots/shot.png"))

    def theirs(self):
        return shown(self._guest, self._t)

    def console(self, minimum):
        """The guest's console, once QEMU has all of it, and that has so many pixels that are not black."""
        limit = patience.end()
        while True:
            ours = self.ours()
            if len(ours[2]) - ours[2].count(0) >= minimum:
                if self._guest is None or self.theirs() == ours:
                    return ours
            assert time.monotonic() < limit, "QEMU and vu-gpu never show the same console"
            time.sleep(0.1)

    def expect(self, wanted, output=0):
        """That picture, in both places."""
        limit = patience.end()
        while self.ours(output) != wanted or (self._guest and self.theirs() != wanted):
            assert time.monotonic() < limit, f"output {output} does not show what it should"
            time.sleep(0.1)


class Client:
    """guest-drm in the background of a guest; step() lets it go on from wait=/tmp/NAME."""

    def __init__(self, guest, *steps):
        self._guest = guest
        guest.run("rm -f /tmp/go-*; guest-drm " + " ".join(steps) + " >/tmp/drm 2>&1 &")

    def said(self, line):
        self._guest.until(f"grep -q '^{line}$' /tmp/drm || {{ cat /tmp/drm; false; }}")

    def step(self, name):
        self._guest.run(f"touch /tmp/go-{name}")


def write(guest, text):
    """On the console, whose cursor is no part of it: that blinks."""
    guest.run(f"printf '\\033[?25l{text}' >/dev/tty1")


def console(t, guest, screen):
    with t.check(f"{t.name}_console_is_the_same_at_qemu_and_in_our_screenshot"):
        write(guest, "\\033[2J\\033[Ha console of a guest")
        first = screen.console(300)
        assert first[:2] == (1280, 800), first[:2]
    with t.check(f"{t.name}_console_that_scrolls_is_the_same_too"):
        write(guest, "\\033[2J\\033[H")
        guest.run("for i in $(seq 1 120); do echo line $i of many >/dev/tty1; done")
        second = screen.console(20000)
        assert second != first


def pictures(t, guest, screen):
    client = Client(guest, "modes", "show=1", "wait=/tmp/go-part", "part=100,200,300,50,9",
                    "wait=/tmp/go-flip", f"flip={STEPS},3", "wait=/tmp/go-cursor", "cursor=30,40",
                    "wait=/tmp/go-end")
    with t.check(f"{t.name}_program_shows_its_picture_in_the_mode_of_the_monitor"):
        client.said("shown")
        width, height, pixels = full_picture(1280, 800, 1)
        screen.expect((width, height, pixels))
    with t.check(f"{t.name}_part_of_a_picture_changes"):
        client.step("part")
        client.said("painted")
        rows = [bytearray(row) for row in picture(1280, 800, 1)]
        for y, row in enumerate(picture(1280, 800, 9)):
            if 200 <= y < 250:
                rows[y][300:1200] = row[300:1200]
        screen.expect((width, height, b"".join(bytes(row) for row in rows)))
    with t.check(f"{t.name}_pages_are_flipped_and_the_last_one_stays"):
        client.step("flip")
        client.said(f"flipped {STEPS}")
        screen.expect(full_picture(1280, 800, 3))
    with t.check(f"{t.name}_pointer_is_where_the_program_puts_it"):
        client.step("cursor")
        client.said("pointed")
        yield
    client.step("end")


def is_test_pattern(picture):
    """The upper part of what modetest shows: seven bars."""
    width, height, pixels = picture
    bars = [pixels[3 * at:3 * at + 3] for at in range(width // 14, width, width // 7)]
    levels = [(192, 192, 192), (192, 192, 0), (0, 192, 192), (0, 192, 0), (192, 0, 192),
              (192, 0, 0), (0, 0, 192)]
    return (width, height) == (1280, 800) and bars[:7] == [bytes(rgb) for rgb in levels]


def modetest(t, guest, screen):
    """libdrm's own program: what the card has, and a picture of its own."""
    with t.check(f"{t.name}_modetest_lists_the_monitor_and_shows_its_pattern"):
        said = guest.run("modetest -M virtio_gpu -c").text
        number = re.search(r"^(\d+)\s+\d+\s+connected\s+Virtual-1", said, re.M)
        assert number and "1280x800" in said, said
        guest.run(f"(sleep 600 | modetest -M virtio_gpu -s {number[1]}:1280x800 >/tmp/modetest 2>&1) &")
        limit = patience.end()
        while not (is_test_pattern(screen.ours()) and screen.ours() == screen.theirs()):
            assert time.monotonic() < limit, guest.run("cat /tmp/modetest").text
            time.sleep(0.1)
        guest.run("killall modetest sleep")


def expect_state(control, output, words):
    limit = patience.end()
    while True:
        lines = control.say("state").split("\n")
        line = next(l for l in lines if l.startswith(f"output {output} "))
        if words in line:
            return
        assert time.monotonic() < limit, lines
        time.sleep(0.1)


def lives(t, guest, screen, back_end):
    with t.check(f"{t.name}_guest_that_stood_still_goes_on_drawing"):
        write(guest, "\\033[2J\\033[Hbefore the pause")
        before = screen.console(200)
        guest.qmp("stop")
        guest.qmp("cont")
        write(guest, "\\033[2J\\033[Hand after it")
        assert screen.console(200) != before
    with t.check(f"{t.name}_guest_that_reboots_has_a_console_again"):
        guest.reboot()
        write(guest, "\\033[2J\\033[Ha new console of the guest")
        screen.console(300)
    with t.check(f"{t.name}_guest_goes_on_when_its_graphics_card_is_killed"):
        shown = screen.theirs()
        back_end.kill()
        guest.run("echo lost >/dev/tty1")
        assert screen.theirs() == shown


def device(t, *options):
    os.makedirs(t.path("shots"), exist_ok=True)
    return t.backend("vu-gpu", f"--control={t.path('control')}", f"--dir={t.path('shots')}", *options)


def with_display(t, boot):
    with device(t) as back_end, \
         boot(VhostUser("gpu", back_end), programs=[t.program("guest-drm"), "modetest"]) as guest, \
         Control(t.path("control")) as control:
        screen = Screen(t, control, guest)
        console(t, guest, screen)
        for _ in pictures(t, guest, screen):
            expect_state(control, 0, "cursor visible 30,40 hot 5,6")
        with t.check(f"{t.name}_display_got_few_bytes"):
            told = control.say("state").split("display updates ")[1].split()
            assert int(told[2]) < 40_000_000, told
        modetest(t, guest, screen)
        lives(t, guest, screen, back_end)


def headless(t, boot):
    """Two monitors, of which one comes later, without a display at the front-end."""
    with device(t, "--headless", "--max-outputs=2") as back_end, \
         boot(Generic("gpu", back_end, queues=2, config_size=20),
              programs=[t.program("guest-drm")]) as guest, \
         Control(t.path("control")) as control:
        screen = Screen(t, control)
        with t.check(f"{t.name}_console_is_there_without_a_display"):
            write(guest, "\\033[2J\\033[Ha console of a guest")
            screen.console(300)
        with t.check(f"{t.name}_guest_sees_one_monitor_of_two"):
            assert guest.run("guest-drm modes").text.split("\n") == \
                ["monitor 0 1280x800", "monitor 1 none"]
        with t.check(f"{t.name}_guest_sees_monitors_that_are_plugged_in_and_changed"):
            control.say("plug 1 800x600")
            control.say("resize 0 1024x768")
            guest.until("[ \"$(guest-drm modes | tr '\\n' ,)\" = "
                        "'monitor 0 1024x768,monitor 1 800x600,' ]")
        with t.check(f"{t.name}_each_monitor_has_its_picture"):
            client = Client(guest, "show=4,5", "wait=/tmp/go-flip", f"flip={STEPS},6",
                            "wait=/tmp/go-end")
            client.said("shown")
            screen.expect(full_picture(1024, 768, 4), 0)
            screen.expect(full_picture(800, 600, 5), 1)
            client.step("flip")
            client.said(f"flipped {STEPS}")
            screen.expect(full_picture(1024, 768, 6), 0)
            screen.expect(full_picture(800, 600, 5), 1)
            client.step("end")
        with t.check(f"{t.name}_guest_sees_that_a_monitor_goes"):
            control.say("unplug 1")
            guest.until("guest-drm modes | grep -q 'monitor 1 none'")


def test_libvirt(t):
    """As libvirt starts it: asked what it can, then with one end of a connected pair, and with no
    place to write to; its video device is one of VGA, too."""
    program = t.program("vu-gpu")
    with t.check("program_that_libvirt_asks_says_that_it_is_a_graphics_card"):
        said = subprocess.run([program, "--print-capabilities"], check=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE).stdout
        assert json.loads(said) in ({"type": "gpu", "features": features} for features in (["render-node", "virgl"], ["virgl"], []))
    ours, theirs = socket.socketpair()
    with open(os.devnull, "wb") as nowhere:
        back_end = process.spawn([program, f"--fd={theirs.fileno()}"], nowhere, cwd="/",
                                 pass_fds=[theirs.fileno()])
    theirs.close()
    try:
        with t.qemu(Pair("gpu", ours, model="vhost-user-vga"), qemu=t.newer_qemu) as guest:
            with t.check("guest_of_libvirt_has_a_console_with_what_was_written_to_it"):
                write(guest, "\\033[2J\\033[Ha console of a guest")
                limit = patience.end()
                while not is_line_of_text(shown(guest, t)):
                    assert time.monotonic() < limit, "it is not shown"
                    time.sleep(0.1)
        with t.check("program_of_libvirt_ends_with_its_guest"):
            assert back_end.wait(patience.SECONDS) == 0
    finally:
        process.end(back_end)


@only_long
def test_qemu10(t):
    with_display(t, functools.partial(t.qemu, qemu=t.newer_qemu))


def test_qemu11(t):
    with_display(t, functools.partial(t.qemu, qemu=t.newest_qemu))


def test_qemu11_headless(t):
    headless(t, functools.partial(t.qemu, qemu=t.newest_qemu))


if __name__ == "__main__":
    main()
