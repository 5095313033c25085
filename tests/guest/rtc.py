#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-rtc under a real kernel: Linux's real-time clock with its alarm, and its PTP clocks.

The guest is the User-mode Linux that is built here: no packaged kernel has the driver.
"""

from lib import Control, VhostUser, main

RTC = "/sys/class/rtc/rtc0"
START = 1700000000


def test_uml(t):
    path = t.path("control")
    with t.backend("vu-rtc", f"--clock=utc-smeared@{START}", "--clock=tai", "--clock=monotonic", f"--control={path}") as rtc, \
         t.uml(VhostUser("rtc", rtc), linux=t.built_uml) as guest:
        control = Control(path)
        with t.check("guest_reads_the_time_that_was_set"):
            control.say("stop 0")
            control.say(f"set 0 {START + 86400}")
            assert guest.run(f"cat {RTC}/since_epoch").text == str(START + 86400)
            assert guest.run(f"cat {RTC}/date {RTC}/time").text.split() == ["2023-11-15", "22:13:20"]
        with t.check("guest_sees_a_step_back"):
            control.say("step 0 -86400")
            assert guest.run(f"cat {RTC}/since_epoch").text == str(START)
        with t.check("guest_sets_an_alarm_that_expires_when_its_time_comes"):
            control.say("watch")
            guest.run(f"echo {START + 100} >{RTC}/wakealarm")
            control.hear(f"alarm 0 {START + 100}.000000000")
            assert guest.run(f"cat {RTC}/wakealarm").text == str(START + 100)
            control.say("step 0 99.999999999")
            assert guest.run(f"cat {RTC}/wakealarm").text == str(START + 100)
            control.say("step 0 0.000000001")
            control.hear("alarm 0 expired")
            # The kernel disables what has gone off, when it hears of it.
            guest.until(f'[ -z "$(cat {RTC}/wakealarm)" ]')
            control.hear("alarm 0 off")
        with t.check("guest_sets_an_alarm_of_a_clock_that_runs"):
            control.say("run 0")
            guest.run(f"echo +1 >{RTC}/wakealarm")
            control.hear("alarm 0 expired")
            guest.until(f'[ -z "$(cat {RTC}/wakealarm)" ]')
        with t.check("guest_has_a_ptp_clock_for_each"):
            names = guest.run("cat /sys/class/ptp/ptp*/clock_name").text.splitlines()
            assert names == ["Virtio PTP type 3/variant 0", "Virtio PTP type 1/variant 0",
                             "Virtio PTP type 2/variant 0"], names
        with t.check("guest_finds_its_clock_again_after_a_reboot"):
            control.say("stop 0")
            control.say("set 0 5")
            guest.reboot()
            assert guest.run(f"cat {RTC}/since_epoch").text == "5"


if __name__ == "__main__":
    main()
