#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-rtc under a real kernel: Linux's real-time clock with its alarm, and its PTP clocks.

The guests are the User-mode Linux that is built here, and sid's kernel with the driver built for it: no packaged
kernel has it.
"""

import functools

from lib import Control, VhostUser, main, only_long
from lib.newer_kernel import NewestKernel

FIND = "dirname $(grep -l virtio /sys/class/rtc/rtc*/name)"
START = 1700000000


def clocks(t, boot, begin_anew):
    path = t.path("control")
    with t.backend("vu-rtc", f"--clock=utc-smeared@{START}", "--clock=tai", "--clock=monotonic", f"--control={path}") as clock, \
         boot(VhostUser("rtc", clock)) as guest:
        control = Control(path)
        # QEMU's machine has one of its own.
        rtc = guest.run(FIND).text
        with t.check(f"{t.name}_guest_reads_the_time_that_was_set"):
            control.say("stop 0")
            control.say(f"set 0 {START + 86400}")
            assert guest.run(f"cat {rtc}/since_epoch").text == str(START + 86400)
            assert guest.run(f"cat {rtc}/date {rtc}/time").text.split() == ["2023-11-15", "22:13:20"]
        with t.check(f"{t.name}_guest_sees_a_step_back"):
            control.say("step 0 -86400")
            assert guest.run(f"cat {rtc}/since_epoch").text == str(START)
        with t.check(f"{t.name}_guest_sets_an_alarm_that_expires_when_its_time_comes"):
            control.say("watch")
            guest.run(f"echo {START + 100} >{rtc}/wakealarm")
            control.hear(f"alarm 0 {START + 100}.000000000")
            assert guest.run(f"cat {rtc}/wakealarm").text == str(START + 100)
            control.say("step 0 99.999999999")
            assert guest.run(f"cat {rtc}/wakealarm").text == str(START + 100)
            control.say("step 0 0.000000001")
            control.hear("alarm 0 expired")
            # The kernel disables what has gone off, when it hears of it.
            guest.until(f'[ -z "$(cat {rtc}/wakealarm)" ]')
            control.hear("alarm 0 off")
        with t.check(f"{t.name}_guest_sets_an_alarm_of_a_clock_that_runs"):
            control.say("run 0")
            guest.run(f"echo +1 >{rtc}/wakealarm")
            control.hear("alarm 0 expired")
            guest.until(f'[ -z "$(cat {rtc}/wakealarm)" ]')
        with t.check(f"{t.name}_guest_has_a_ptp_clock_for_each"):
            names = guest.run("cat /sys/class/ptp/ptp*/clock_name").text.splitlines()
            assert names == ["Virtio PTP type 3/variant 0", "Virtio PTP type 1/variant 0",
                             "Virtio PTP type 2/variant 0"], names
        with t.check(f"{t.name}_guest_finds_its_clock_again_with_a_driver_that_begins_anew"):
            control.say("stop 0")
            control.say("set 0 5")
            begin_anew(guest)
            rtc = guest.run(FIND).text
            assert guest.run(f"cat {rtc}/since_epoch").text == "5"


def test_uml(t):
    clocks(t, functools.partial(t.uml, linux=t.built_uml), lambda guest: guest.reboot())


@only_long
def test_qemu11(t):
    clocks(t, functools.partial(t.machine, NewestKernel, qemu=t.newest_qemu), lambda guest: guest.run(
        "cd /sys/bus/virtio/drivers/virtio_rtc; echo virtio0 >unbind; echo virtio0 >bind"))


if __name__ == "__main__":
    main()
