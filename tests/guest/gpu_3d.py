#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-gpu's 3D under unmodified kernels: Mesa in the guest draws, and what it drew is what is shown.

The guest's Mesa is the host's: its files are on a disk of the guest's.
"""

import functools
import re
import time

from lib import Control, VhostUser, main, only_long, patience
from lib.mesa import Mesa

from gpu import Screen, device

def off_by(picture):
    """How far a picture is from what guest-egl draws (see there), at a point of each 10."""
    width, height, pixels = picture
    most = 0
    for y in range(5, height, 10):
        for x in range(5, width, 10):
            red, green, blue = pixels[3 * (y * width + x):][:3]
            inside = y / height - 0.5 - abs(x / width - 0.5)
            wanted = (2 * x + 1) * 255 / (2 * width), (2 * y + 1) * 255 / (2 * height), 255 * (inside > 0)
            most = max(most, abs(red - wanted[0]), abs(green - wanted[1]),
                       abs(blue - wanted[2]) if abs(inside) > 0.01 else 0)
    return most


def contexts(control):
    """How many there are; the console may have one, too."""
    return int(re.search(r"3D contexts (\d+) ", control.say("state"))[1])


def draws(t, boot):
    mesa = Mesa(t)
    with device(t, "--virgl") as back_end, \
         boot(VhostUser("gpu", back_end), modules=mesa.modules, programs=[t.program("guest-egl")],
              extra=mesa.qemu, memory=1024) as guest, \
         Control(t.path("control")) as control:
        screen = Screen(t, control, guest)
        with t.check(f"{t.name}_driver_finds_3d"):
            assert "+virgl" in guest.run("dmesg | grep 'features:.*virgl'").text
        before = contexts(control)
        with t.check(f"{t.name}_mesa_in_the_guest_draws_what_it_should"):
            guest.run(f"{mesa.mount} {mesa.environment} guest-egl >/tmp/egl 2>&1 &")
            guest.until("grep -q -e '^shown' -e ^failed /tmp/egl || ! pidof guest-egl")
            said = guest.run("cat /tmp/egl").text
            assert re.search(r"^renderer virgl", said, re.M), said
            off = re.search(r"^drawn, off by (\d+) at most$", said, re.M)
            assert off and int(off[1]) <= 2, said
            assert re.search("^texture ff6633ff$", said, re.M), said
        with t.check(f"{t.name}_what_it_drew_is_shown_at_qemu_and_in_our_screenshot"):
            limit = patience.end()
            while off_by(screen.ours()) > 2 or screen.theirs() != screen.ours():
                assert time.monotonic() < limit, (said, off_by(screen.ours()), off_by(screen.theirs()))
                time.sleep(0.1)
        with t.check(f"{t.name}_its_context_is_gone_with_the_program"):
            assert contexts(control) == before + 1
            guest.run("killall -9 guest-egl")
            limit = patience.end()
            while contexts(control) > before:
                assert time.monotonic() < limit, control.say("state")
                time.sleep(0.1)


@only_long
def test_qemu10(t):
    draws(t, functools.partial(t.qemu, qemu=t.newer_qemu))


@only_long
def test_qemu11(t):
    draws(t, functools.partial(t.qemu, qemu=t.newest_qemu))


if __name__ == "__main__":
    main()
