#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-can under a real kernel: programs of two guests exchange frames on one bus.

The guests are the User-mode Linux that is built here, and sid's kernel with the driver built for it: no packaged
kernel has it.
"""

from lib import Control, VhostUser, main, only_long
from lib.device import Generic
from lib.newer_kernel import NewestKernel

LOG = "/tmp/frames"
TIME = 60  # s
CLASSIC = ["123#", "7FF#0011223344556677", "00000001#AA", "1FFFFFFF#0102030405060708", "321#R4", "12345678#R8"]
REBIND = "cd /sys/bus/virtio/drivers/virtio_can; echo virtio0 >unbind; echo virtio0 >bind"
FD = ["123##0", f"456##0{'A5' * 12}", f"1ABCDEF0##0{'00FF' * 32}"]


def listen(guest):
    guest.run("guest-can can0 up")
    guest.run(f"(guest-can can0 dump >{LOG} 2>&1 </dev/null &)")
    guest.until(f"grep -q ready {LOG}")


def heard(guest, last):
    """All frames, when this one has come."""
    guest.until(f"grep -qx '{last}' {LOG}")
    return guest.run(f"cat {LOG}").text.splitlines()[1:]


def send(guest, frames):
    guest.run(f"guest-can can0 send {' '.join(repr(frame) for frame in frames)}")


def test_uml(t):
    path, second = t.path("control"), t.path("second")
    program = t.program("guest-can")
    with t.backend("vu-can", f"--control={path}", f"--socket-path={second}") as can, \
         t.uml(VhostUser("can", can), linux=t.built_uml, programs=[program]) as guest, \
         t.uml(VhostUser("can", second), linux=t.built_uml, programs=[program]) as other:
        control = Control(path)
        listen(guest)
        listen(other)
        with t.check("guests_exchange_frames_of_all_kinds"):
            send(guest, CLASSIC + FD)
            got = heard(other, FD[-1])
            assert got == CLASSIC + FD, got
            back = [*reversed(CLASSIC + FD), "7FE#99"]
            send(other, back)
            # What the guest sent itself its dump heard, too: Linux echoes it to its other sockets.
            got = heard(guest, back[-1])
            assert got == CLASSIC + FD + back, got
        with t.check("guest_receives_what_a_command_sends"):
            control.say("send 0ABCDEF0##0C0FFEE")
            assert heard(guest, "0ABCDEF0##0C0FFEE")[-1] == "0ABCDEF0##0C0FFEE"
        with t.check("guest_hears_of_a_bus_off_and_starts_the_controller_again"):
            control.say("busoff")
            heard(guest, "busoff")
            assert control.say("stats").startswith("busoff ")
            guest.run("guest-can can0 down && guest-can can0 up")
            assert control.say("stats").startswith("started ")
            send(guest, ["111#01"])
            assert heard(other, "111#01")[-1] == "111#01"
        with t.check("guest_is_on_the_bus_again_after_a_reboot"):
            guest.reboot()
            assert control.say("stats").startswith("stopped ")
            listen(guest)
            send(other, ["222#02"])
            assert heard(guest, "222#02") == ["222#02"]


def test_uml_as_host(t):
    """The kernel of the guest is the host here, with a real SocketCAN interface: tests/devices/test_can_host.c."""
    with t.uml(linux=t.newer_uml, modules=["vcan", "can-raw"],
               programs=[t.program("vu-can"), t.program("guest-can-host"), t.program("guest-can")]) as guest:
        with t.check("frames_to_and_from_a_socketcan_interface"):
            guest.run("mkdir -p /var/tmp && ip link set lo up && ip link add vcan0 type vcan && guest-can vcan0 up")
            guest.run(f"VU_CAN=/host/vu-can timeout {TIME} /host/guest-can-host 2>&1", TIME)


@only_long
def test_qemu11(t):
    path = t.path("control")
    with t.backend("vu-can", f"--control={path}") as can, \
         t.machine(NewestKernel, Generic("can", can, queues=3, config_size=2), qemu=t.newest_qemu,
                   modules=["can_raw"], programs=[t.program("guest-can")]) as guest:
        control = Control(path)
        listen(guest)
        with t.check("qemu11_guest_sends_and_receives_frames_of_all_kinds"):
            control.say("watch")
            send(guest, CLASSIC + FD)
            for frame in CLASSIC + FD:
                control.hear(f"sent {frame}")
            back = [*reversed(CLASSIC + FD), "7FE#99"]
            for frame in back:
                control.say(f"send {frame}")
            # The first ones are its own.
            assert heard(guest, back[-1]) == CLASSIC + FD + back
        with t.check("qemu11_guest_hears_of_a_bus_off_and_starts_the_controller_again"):
            control.say("busoff")
            heard(guest, "busoff")
            guest.run("guest-can can0 down && guest-can can0 up")
            assert control.say("stats").startswith("started ")
        with t.check("qemu11_guest_is_on_the_bus_again_with_a_driver_that_begins_anew"):
            guest.run(REBIND)
            assert control.say("stats").startswith("stopped ")
            listen(guest)
            send(guest, ["222#02"])
            control.hear("sent 222#02")
            control.say("send 333#03")
            assert heard(guest, "333#03") == ["222#02", "333#03"]


if __name__ == "__main__":
    main()
