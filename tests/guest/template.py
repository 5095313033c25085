#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-template behind QEMU's device without a nature of its own: Linux takes it for a memory balloon."""

import os
import re

from lib import Control, Generic, GuestError, Skip, main

PAGE = 4  # KiB


def mem_total(guest):
    return int(re.search(r"MemTotal: +(\d+) kB", guest.run("cat /proc/meminfo").text)[1])


def counts(control):
    """{"target": 1, "actual": 2, ...}"""
    words = control.say("target").split()
    return dict(zip(words[::2], map(int, words[1::2])))


def inflate(t, guest, control):
    before, pages = mem_total(guest), 4096
    with t.check(f"{t.name}_guest_gives_as_many_pages_as_the_device_wants"):
        control.say(f"target {pages}")
        control.hear(f"actual {pages}")
        assert counts(control)["given"] == pages, counts(control)
        assert mem_total(guest) == before - PAGE * pages, f"{before} before, {mem_total(guest)} kB"
    with t.check(f"{t.name}_guest_takes_them_back"):
        control.say("target 1000")
        control.hear("actual 1000")
        assert counts(control)["taken"] == pages - 1000, counts(control)
        assert mem_total(guest) == before - PAGE * 1000, f"{before} before, {mem_total(guest)} kB"


def begin_anew(t, guest, control):
    with t.check(f"{t.name}_guest_unbinds_the_driver_which_takes_all_back_and_binds_it_again"):
        guest.run("cd /sys/bus/virtio/drivers/virtio_balloon && echo virtio0 >unbind")
        assert counts(control)["taken"] == counts(control)["given"], counts(control)
        guest.run("cd /sys/bus/virtio/drivers/virtio_balloon && echo virtio0 >bind")
        control.hear("actual 1000")
    with t.check(f"{t.name}_guest_reboots_and_gives_as_much_again"):
        given = counts(control)["given"]
        guest.reboot()
        control.say("target 1500")
        control.hear("actual 1500")
        assert counts(control)["given"] == given + 1500, counts(control)


def test_template(t):
    os.mkfifo(t.path("events"))
    with t.backend("vu-template", "--delay-ms=1", f"--events={t.path('events')}",
                   f"--control={t.path('control')}") as template, \
         t.qemu(Generic("balloon", template, queues=2, config_size=8), qemu=t.newest_qemu) as guest, \
         Control(t.path("control")) as control:
        with t.check(f"{t.name}_guest_has_a_balloon_with_its_unmodified_driver"):
            driver = guest.run("readlink /sys/bus/virtio/devices/virtio0/driver").text
            assert driver.endswith("/virtio_balloon"), driver
        inflate(t, guest, control)
        with t.check(f"{t.name}_an_event_of_the_hardware_reaches_the_guest"):
            with open(t.path("events"), "wb", buffering=0) as events:
                events.write(b"xyz")
            control.hear("actual 1003")
            control.say("target 1000")
            control.hear("actual 1000")
        begin_anew(t, guest, control)


def reconnecting(t, template):
    try:
        return t.qemu(Generic("balloon", template, queues=2, config_size=8, reconnect=1),
                      qemu=t.newest_qemu)
    except GuestError as error:
        # it talks to the device before such a socket has been connected
        if "vhost_backend_init failed" in str(error):
            raise Skip("this QEMU cannot have a test device on a socket that reconnects") from error
        raise


def test_template_reconnect(t):
    with t.backend("vu-template", f"--control={t.path('control')}") as template, \
         t.check(f"{t.name}_guest_goes_on_with_a_back_end_that_was_killed_and_started_again"), \
         reconnecting(t, template):
        with Control(t.path("control")) as control:
            control.say("target 100")
            control.hear("actual 100")
        template.kill()
        template.start()
        with Control(t.path("control")) as control:
            control.say("target 200")
            control.hear("actual 200")
            assert counts(control)["given"] == 100, counts(control)


if __name__ == "__main__":
    main()
