#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-gpio under real kernels: gpiod's tools in the guest, the lines' other ends out here."""

import functools
import glob
import os
import re
import shutil
import subprocess

from lib import Control, Skip, VhostUser, main, only_long

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LINES = """\
line MMC-CD 1
line "Red LED"
line
line reset
line probe
wire reset probe
lines 3
"""
# for guest-gpio-chips
WIRED = """\
line drive
line sense
line
line spare
lines 4
wire drive sense
"""
# It is a daemon, so process 1 hears of its end, which must not be while it reads the next script.
END_GPIOSET = "kill $(pidof gpioset); while pidof gpioset >/dev/null; do usleep 10000; done"
TOOLS = ["gpiodetect", "gpiofind", "gpioinfo", "gpioget", "gpioset", "gpiomon"]


def board(t, lines=LINES):
    """vu-gpio with these lines; its control socket is t.path("control")."""
    path = t.path("lines")
    with open(path, "w", encoding="utf-8") as file:
        file.write(lines)
    return t.backend("vu-gpio", f"--lines={path}", f"--control={t.path('control')}")


def chip(guest):
    """The name of the virtio chip; the machine may have others."""
    return re.search(r"(gpiochip\d+) \[virtio\d+\] \(8 lines\)", guest.run("gpiodetect").text)[1]


def look(t, guest):
    with t.check(f"{t.name}_guest_sees_the_lines_and_their_names"):
        found = guest.run(f"gpioinfo {chip(guest)}").text
        names = re.findall(r"line +(\d+): +(unnamed|\"[^\"]*\")", found)
        assert names == [("0", '"MMC-CD"'), ("1", '"Red LED"'), ("2", "unnamed"), ("3", '"reset"'),
                         ("4", '"probe"')] + [(str(i), "unnamed") for i in (5, 6, 7)], found
        assert guest.run("gpiofind reset").text == f"{chip(guest)} 3"


def drive(t, guest, control):
    with t.check(f"{t.name}_guest_reads_what_the_host_drives"):
        name = chip(guest)
        assert guest.run(f"gpioget {name} 0 2").text == "1 0"
        control.say("set MMC-CD 0")
        control.say("set 2 1")
        assert guest.run(f"gpioget {name} 0 2").text == "0 1"
        control.say("set MMC-CD 1")
        control.say("set 2 0")
    with t.check(f"{t.name}_host_reads_what_the_guest_drives"):
        control.say("watch")
        guest.run(f"gpioset -m signal -b {name} 1=1 3=1")
        control.hear('line 1 "Red LED" out 1')
        assert control.say('get "Red LED"') == '1 "Red LED" out 1'
        probe = guest.run(f"gpioget {name} 4").text
        assert probe == "1", f"the wire from line 3 brought {probe}"
        found = guest.run(f"gpioinfo {name} | grep output").text
        assert '"Red LED"' in found and "gpioset" in found, found
        guest.run(END_GPIOSET)
        control.hear('line 1 "Red LED" none 0')


def monitor(t, guest, control, when=""):
    """gpiomon waits for each edge before the next: while one is handled others count as one."""
    name = chip(guest)
    with t.check(f"{t.name}_guest_monitors_edges_raised_on_the_host{when}"):
        control.say("watch")
        job = guest.start(f"gpiomon -n 6 -F 'event %e of %o' {name} 2 0")
        control.hear("line 2 - in 0 both")
        control.hear('line 0 "MMC-CD" in 1 both')
        for line, level in (("2", 1), ("0", 0), ("0", 1), ("2", 0), ("2", 1), ("2", 0)):
            before = job_lines(job)
            control.say(f"set {line} {level}")
            job.wait_line(before + rb"event \d of \d\n")
        expected = ["1 of 2", "0 of 0", "1 of 0", "0 of 2", "1 of 2", "0 of 2"]
        assert job.wait().text.split("\n") == [f"event {e}" for e in expected]
        control.hear("line 2 - none 0")
    with t.check(f"{t.name}_guest_monitors_only_the_edges_it_wants{when}"):
        job = guest.start(f"gpiomon -r -n 2 -F 'event %e' {name} 2")
        control.hear("line 2 - in 0 rising")
        for count in (1, 2):
            control.say("pulse 2")
            job.wait_line(rb"(event 1\n){%d}" % count)
        assert job.wait().text == "event 1\nevent 1"
        control.hear("line 2 - none 0")
    with t.check(f"{t.name}_guest_monitors_again_and_again{when}"):
        for _ in range(20):
            job = guest.start(f"gpiomon -f -n 1 -F 'event %e' {name} 2")
            control.hear("line 2 - in 0 falling")
            control.say("pulse 2")
            assert job.wait().text == "event 0"
            control.hear("line 2 - none 0")


def job_lines(job):
    """Matches as many of gpiomon's lines as there have been."""
    job.seen = getattr(job, "seen", -1) + 1
    return rb"(?:event \d of \d\n){%d}" % job.seen


def pause(t, guest, control):
    """The device is stopped meanwhile, and its buffers go back; the guest must not notice."""
    name = chip(guest)
    with t.check(f"{t.name}_guest_finds_what_happened_while_it_was_paused"):
        guest.run(f"gpioset -m signal -b {name} 1=1")
        control.hear('line 1 "Red LED" out 1')
        job = guest.start(f"gpiomon -r -n 2 -F 'event %e' {name} 2")
        control.hear("line 2 - in 0 rising")
        guest.qmp("stop")
        control.say("pulse 2")
        assert control.say("get 1") == '1 "Red LED" out 1'
        guest.qmp("cont")
        job.wait_line(rb"event 1\n")
        control.say("pulse 2")
        assert job.wait().text == "event 1\nevent 1"
        assert control.say("get 1") == '1 "Red LED" out 1'
        guest.run(END_GPIOSET)


def reboot(t, guest, control, irqs):
    with t.check(f"{t.name}_guest_reboots_with_lines_in_use_and_goes_on"):
        guest.run(f"gpioset -m signal -b {chip(guest)} 1=1")
        control.hear('line 1 "Red LED" out 1')
        if irqs:
            guest.run(f"gpiomon {chip(guest)} 2 >/dev/null &")
            control.hear("line 2 - in 0 both")
        guest.reboot()
        assert guest.run(f"gpioget {chip(guest)} 0 2").text == "1 0"
    if irqs:
        monitor(t, guest, control, "_after_a_reboot")
    with t.check(f"{t.name}_guest_unbinds_and_binds_the_driver"):
        guest.run("""
            cd /sys/bus/virtio/drivers/gpio_virtio* || cd /sys/bus/virtio/drivers/virtio-gpio
            device=$(basename $(ls -d virtio[0-9]*))
            for i in 1 2 3; do echo $device >unbind; echo $device >bind; done""")
        assert guest.run(f"gpioget {chip(guest)} 0").text == "1"


def restart(t, guest, gpio, control):
    with t.check(f"{t.name}_guest_goes_on_with_a_back_end_that_was_restarted"):
        control.close()
        gpio.kill()
        gpio.start()
        guest.run(f"until gpioget {chip(guest)} 0 >/tmp/got 2>&1; do sleep 0.1; done")
        assert guest.run("cat /tmp/got").text == "1"


# One CPU: with two, Linux's driver takes from its event queue without a lock and breaks the ring.
def whole(t, boot):
    with board(t) as gpio, Control(t.path("control")) as control, \
         boot(VhostUser("gpio", gpio), programs=TOOLS) as guest:
        look(t, guest)
        drive(t, guest, control)
        monitor(t, guest, control)
        if hasattr(guest, "qmp"):
            pause(t, guest, control)
        reboot(t, guest, control, True)


def test_qemu(t):
    """QEMU 7.2 offers the guest no interrupts; but it connects again, as later ones do not."""
    with board(t) as gpio, Control(t.path("control")) as control, \
         t.qemu(VhostUser("gpio", gpio, reconnect=1), programs=TOOLS, cpus=1) as guest:
        look(t, guest)
        drive(t, guest, control)
        with t.check("qemu_guest_is_told_that_there_are_no_interrupts"):
            said = guest.run(f"gpiomon {chip(guest)} 2 2>&1", check=False)
            assert said.status == 1 and "No such device" in said.text, said.text
        reboot(t, guest, control, False)
        restart(t, guest, gpio, control)


def test_qemu10(t):
    whole(t, functools.partial(t.qemu, cpus=1, qemu=t.newer_qemu))


@only_long
def test_qemu11(t):
    whole(t, functools.partial(t.qemu, cpus=1, qemu=t.newest_qemu))


def test_uml(t):
    whole(t, functools.partial(t.uml, linux=t.built_uml))


def chips(t, boot, program):
    """vu-gpio inside a guest, with the guest's chip as a real one; its driver is our test peer."""
    inner = [program, t.program("guest-gpio-chips")]
    with board(t, WIRED) as gpio, \
         boot(VhostUser("gpio", gpio), programs=TOOLS + inner) as guest:
        ran = guest.run(f"VU_GPIO=/host/vu-gpio VU_GPIO_CHIP={chip(guest)} guest-gpio-chips 2>&1",
                        check=False)
        for test in re.findall(r"\[ RUN +\] (\w+)", ran.text):
            with t.check(f"{t.name}_{test}"):
                assert re.search(rf"\[ +OK \] {test}\b", ran.text), ran.text[-2000:]
        with t.check(f"{t.name}_are_tested_to_the_end"):
            assert ran.status == 0, f"status {ran.status}: {ran.text[-500:]}"


def test_chips(t):
    chips(t, functools.partial(t.qemu, cpus=1, qemu=t.newer_qemu), t.program("vu-gpio"))


def test_chips_uml(t):
    chips(t, functools.partial(t.uml, linux=t.built_uml), t.program("vu-gpio"))


def with_libgpiod2(t):
    """vu-gpio as it is built where there is libgpiod 2."""
    if not shutil.which("cc"):
        raise Skip("no C compiler")
    libraries = f"{t.packages('trixie', 'libgpiod-dev', 'libgpiod3')}/usr/lib/x86_64-linux-gnu"
    sources = [path for path in glob.glob(f"{TREE}/examples/gpio/*.c")
               if not path.endswith(("_v1.c", "_no_chips.c"))]
    sources += [f"{TREE}/examples/common/{part}.c"
                for part in ("shut_in", "sandbox_files", "sandbox_notice", "sandbox_rights")]
    build = os.path.dirname(os.path.dirname(os.path.abspath(t.program("vu-gpio"))))
    path = t.path("vu-gpio")
    done = subprocess.run(
        ["cc", "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror",
         f"-I{TREE}/include", f"-I{build}/include", f"-I{TREE}/examples/common", f"-I{build}/examples",
         f"-I{libraries}/../../include", "-o", path,
         *sources, f"-L{build}/lib", "-lvu", f"-L{libraries}", "-lgpiod",
         f"-Wl,-rpath,{build}/lib:{libraries}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return path


def test_chips_libgpiod2(t):
    chips(t, functools.partial(t.qemu, cpus=1, qemu=t.newer_qemu), with_libgpiod2(t))


if __name__ == "__main__":
    main()
