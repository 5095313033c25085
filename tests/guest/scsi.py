#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-scsi under real kernels: disks and a drive, that come and go, as crash.py has them go on."""

import functools
import os
import signal
import time

from blk import make_file, reread
from blk_verify import verified, verifier, verify
from lib import Control, Image, VhostUser, main, only_long, rootdisk

SIZE = 128  # MiB
DISK = 64  # MiB of a disk that is verified
ROOT = 32  # MiB
PLUGGED = 16
FILE_SYSTEM = {"modules": ["ext4", "sr_mod"], "programs": ["mke2fs", "blkdiscard"]}


def host(t, *luns, name="vu-scsi", options=()):
    """Starts vu-scsi with these logical units."""
    return t.backend(name, "--num-queues=4", f"--dir={t.path('')}", *[f"--lun={lun}" for lun in luns],
                     *options)


def identity(t, guest):
    with t.check(f"{t.name}_guest_sees_names_size_and_cache"):
        got = guest.run("cd /sys/block/sda; cat device/vendor device/model size "
                        "device/scsi_disk/*/cache_type device/scsi_disk/*/provisioning_mode "
                        "device/scsi_disk/*/protection_type").text.split("\n")
        wanted = ["libvu", "vu-scsi disk", str(SIZE * 2048), "write back", "unmap", "0"]
        assert [line.strip() for line in got] == wanted, f"{got} instead of {wanted}"
    with t.check(f"{t.name}_guest_sees_what_identifies_the_disk"):
        got = guest.run("cat /sys/block/sda/device/wwid").text
        assert got.startswith("naa.3"), got


def write_cache(t, guest):
    with t.check(f"{t.name}_guest_turns_the_write_cache_off_and_on"):
        for kind in ("write through", "write back"):
            got = guest.run(f"cd /sys/block/sda/device/scsi_disk/*; echo '{kind}' >cache_type && "
                            "cat cache_type").text
            assert got == kind, f"{got} instead of {kind}"


def discard(t, guest, image):
    with t.check(f"{t.name}_guest_discards_and_the_image_has_a_hole_there"):
        before = image.allocated()
        guest.run("umount /mnt && blkdiscard -f /dev/sda")
        freed = before - image.allocated()
        assert freed > 8 << 20, f"only {freed} bytes were freed"


def drive(t, guest, control, image):
    """A CD-ROM drive at target 1: read, ejected, with another disc."""
    with t.check(f"{t.name}_guest_reads_a_cd"):
        got = guest.run("head -c 8 /dev/sr0; cat /sys/block/sr0/ro").text
        assert got == "precious1" or got == "precious\n1", got
    with t.check(f"{t.name}_guest_notices_that_the_cd_was_ejected_and_changed"):
        control.say("eject 1:0")
        guest.run("! head -c 8 /dev/sr0 2>/dev/null")
        control.say(f"load 1:0 {os.path.basename(image.path)}")
        guest.until("[ \"$(head -c 5 /dev/sr0 2>/dev/null)\" = other ]")


def plug(t, guest, control):
    with t.check(f"{t.name}_guest_sees_{PLUGGED}_disks_come_while_it_runs"):
        for i in range(PLUGGED):
            control.say(f"add {2 + i // 4}:{i % 4},memory={i + 1}M,serial=plugged-{i}")
        guest.until(f"[ $(ls -d /sys/block/sd* | wc -l) = {PLUGGED + 1} ]")
        sizes = sorted(int(size) for size in guest.run("cat /sys/block/sd[!a]/size").text.split())
        assert sizes == [2048 * (i + 1) for i in range(PLUGGED)], sizes
        guest.run("for d in /dev/sd[!a]; do dd if=/dev/urandom of=$d bs=64k count=4 conv=fsync "
                  "2>/dev/null || exit 1; done")
    with t.check(f"{t.name}_guest_sees_them_go"):
        for i in range(PLUGGED):
            control.say(f"remove {2 + i // 4}:{i % 4}")
        guest.until("[ $(ls -d /sys/block/sd* | wc -l) = 1 ]")


def resize(t, guest, image, scsi):
    with t.check(f"{t.name}_guest_sees_the_disk_grow"):
        image.grow(SIZE + 64)
        scsi.signal(signal.SIGHUP)
        guest.until(f"[ $(cat /sys/block/sda/size) = {(SIZE + 64) * 2048} ]")


def disc(t, name, text):
    image = Image(t.path(name), 4)
    with open(image.path, "r+b") as file:
        file.write(text)
    return image


def after_reboot(t, guest, digest):
    """It is still mounted: User-mode Linux's kernel does not let go of the disk, and of its connection, then."""
    with t.check(f"{t.name}_guest_finds_its_file_after_a_reboot"):
        guest.reboot()
        guest.until("[ -b /dev/sda ]")
        again = guest.run("mount /dev/sda /mnt && sha256sum </mnt/file").text.split()[0]
        assert again == digest, f"{again} instead of {digest}"


def all_of_it(t, boot, options=(), **props):
    """All of it, in one boot."""
    image, other = Image(t.path("image"), SIZE), disc(t, "other.iso", b"other")
    cd = disc(t, "cd.iso", b"precious")
    path = t.path("control")
    with host(t, f"0:0,file={image.path}", f"1:0,cd={cd.path}",
              options=[f"--control={path}", *options]) as scsi, Control(path) as control, \
         boot(VhostUser("scsi", scsi, **props), **FILE_SYSTEM) as guest:
        guest.until("[ -b /dev/sda ] && [ -b /dev/sr0 ]")
        identity(t, guest)
        write_cache(t, guest)
        guest.run("ln -s sda /dev/vda")
        digest = make_file(t, guest)
        reread(t, guest, digest)
        after_reboot(t, guest, digest)
        guest.until("[ -b /dev/sr0 ]")
        drive(t, guest, control, other)
        plug(t, guest, control)
        resize(t, guest, image, scsi)
        discard(t, guest, image)


def test_qemu(t):
    all_of_it(t, t.qemu, num_queues=4)


@only_long
def test_newer_qemu(t):
    all_of_it(t, lambda *devices, **more: t.qemu(*devices, qemu=t.newer_qemu, **more), num_queues=4)


@only_long
def test_newest_qemu(t):
    all_of_it(t, lambda *devices, **more: t.qemu(*devices, qemu=t.newest_qemu, **more), num_queues=4)


def test_uml(t):
    all_of_it(t, t.uml, ["--config-space"])


@only_long
def test_newer_uml(t):
    """Its kernel takes the disk away from under the file system, and says so: that is its own."""
    image = Image(t.path("image"), SIZE)
    with host(t, f"0:0,file={image.path}", options=["--config-space"]) as scsi, \
         t.uml(VhostUser("scsi", scsi), linux=t.newer_uml, complaints_ok=True, **FILE_SYSTEM) as guest:
        guest.run("ln -s sda /dev/vda")
        after_reboot(t, guest, make_file(t, guest))


def test_uml_root(t):
    """Its root file system is on a disk of vu-scsi's."""
    image = Image(t.path("root"), ROOT)
    rootdisk.fill(image.path, t.path("tree"))
    with host(t, f"0,file={image.path}", options=["--config-space"]) as scsi:
        for script in ("cat /kept || echo kept >/kept", "cat /kept"):
            with t.uml(VhostUser("scsi", scsi), modules=["ext4"], cmdline="vu.root=sda") as guest:
                with t.check(f"{guest.name}_starts_from_a_disk"):
                    mounted = guest.run("grep ext4 /proc/mounts").text
                    assert mounted.startswith("/dev/sda / ext4 rw"), mounted
                    said = guest.run(f"{script} 2>/tmp/no && mount -o remount,ro /").text
                with t.check(f"{guest.name}_starts_from_it_again_after_a_reboot"):
                    guest.reboot()
                    mounted = guest.run("grep ext4 /proc/mounts").text
                    assert mounted.startswith("/dev/sda / ext4 rw"), mounted
                guest.kill()
    with t.check(f"{t.name}_second_guest_has_what_the_first_wrote_there"):
        assert said == "kept" and image.file("/kept") == b"kept\n", said


def test_qemu_verify(t):
    """A verifying writer on disks of each kind, on four queues."""
    image, seconds = Image(t.path("image"), DISK), 60 if t.long else 4
    with host(t, f"0,file={image.path}", f"1,memory={DISK}M,block=4096") as scsi, \
         t.qemu(VhostUser("scsi", scsi, num_queues=4), cpus=4,
                **verifier(t)) as guest:
        guest.until("[ -b /dev/sda ] && [ -b /dev/sdb ]")
        for name, kind in (("sda", "file"), ("sdb", "memory_of_4096_byte_blocks")):
            with t.check(f"{t.name}_guest_verifies_a_{kind}"):
                verified(t, verify(t, guest, seconds, name), seconds)


if __name__ == "__main__":
    main()
