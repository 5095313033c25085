#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-spi under a real kernel: Linux's spi-nor on the simulated flash.

The guests are the User-mode Linux that is built here, as no packaged kernel has the driver, which finds the device,
and the flash behind it, by a device tree; and sid's kernel with the driver built for it, where nothing says which chips
there are.
"""

from lib import Control, VhostUser, main, only_long
from lib.newer_kernel import NewestKernel

DEVICE_TREE = """/dts-v1/;
/ {
    #address-cells = <2>;
    #size-cells = <2>;
    spi {
        compatible = "virtio,uml";
        virtio-device-id = <45>;
        socket-path = "%s";
        device {
            compatible = "virtio,device2d";
            #address-cells = <1>;
            #size-cells = <0>;
            flash@1 { compatible = "jedec,spi-nor"; reg = <1>; spi-max-frequency = <50000000>; };
            wire@0 { compatible = "lwn,bk4"; reg = <0>; spi-max-frequency = <20000000>; };
            flash@2 { compatible = "lwn,bk4"; reg = <2>; spi-max-frequency = <10000000>; };
        };
    };
};
"""
MTD = "/dev/mtd0"
TIME = 60  # s


def boot(t, spi, cmdline=""):
    return t.uml(linux=t.built_uml, dts=DEVICE_TREE % spi.socket, cmdline=cmdline,
                 programs=[t.program("vu-spi"), t.program("guest-spi-host")])


def as_host(t, guest, control, what):
    """The guest's kernel is the host here, for a vu-spi in it: tests/devices/test_spi_host.c."""
    def in_guest(part=""):
        guest.run(f"mkdir -p /var/tmp && VU_SPI=/host/vu-spi timeout {TIME} /host/guest-spi-host {part} 2>&1", TIME)

    with t.check(f"transfers_to_and_from_chips_of_{what}"):
        guest.until("[ -e /dev/spidev*.2 ]")
        in_guest()
    with t.check(f"errors_of_chips_of_{what}"):
        control.say("fail 0")
        in_guest("fails")
        in_guest("gone")


def test_uml(t):
    path = t.path("control")
    with t.backend("vu-spi", "--chip=loopback", "--chip=flash:4M", "--chip=flash", f"--control={path}") as spi:
        control = Control(path)
        with boot(t, spi) as guest:
            with t.check("guest_knows_the_flash_by_its_identity"):
                guest.until(f"[ -e {MTD} ]")
                assert guest.run("cd /sys/class/mtd/mtd0; cat type size").text.split() == ["nor", str(4 << 20)]
                assert guest.run("cat /sys/bus/spi/devices/spi*.1/spi-nor/jedec_id").text == "ef4016"
            with t.check("guest_reads_what_is_in_the_flash"):
                control.say("set 1 0x1000 104 101 108 108 111")
                read = guest.run(f"dd if={MTD} bs=4096 skip=1 count=1 2>/dev/null | head -c 6").output
                assert read == b"hello\xff", read
            with t.check("guest_programs_the_flash"):
                guest.run(f"dd if=/bin/busybox of={MTD} bs=4096 seek=16 count=64 2>/dev/null")
                guest.run(f"dd if={MTD} bs=4096 skip=16 count=64 2>/dev/null >/tmp/a && "
                          "dd if=/bin/busybox bs=4096 count=64 2>/dev/null | cmp - /tmp/a")
                assert control.say("get 1 0x10000 4") == "7f 45 4c 46"
            as_host(t, guest, control, "spidev")
        # Not a reboot: this driver has no remove(), which User-mode Linux calls then.
        with boot(t, spi, "spidev.bufsiz=1000") as guest:
            with t.check("another_guest_finds_what_was_programmed"):
                guest.until(f"[ -e {MTD} ]")
                read = guest.run(f"dd if={MTD} bs=4096 skip=16 count=1 2>/dev/null | head -c 4").output
                assert read == b"\x7fELF", read
            as_host(t, guest, control, "a_spidev_that_takes_little_at_once")


@only_long
def test_qemu11(t):
    with t.backend("vu-spi") as spi, \
         t.machine(NewestKernel, VhostUser("spi", spi), qemu=t.newest_qemu) as guest:
        with t.check("qemu11_guest_finds_the_controller"):
            guest.until("[ -e /sys/class/spi_master/spi0 ]")
            assert guest.run("cd /sys/bus/virtio/drivers/spi_virtio; ls -d virtio*").text == "virtio0"


if __name__ == "__main__":
    main()
