#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Domains with our devices under Debian's libvirt: started, used, destroyed.  What docs/libvirt.md says of a
shared directory is in fs_libvirt.py.
"""

import json
import os
import re
import signal
import time

from blk import disk
from blk_verify import DISK, verified, verifier, verify_until_told
from gpu import is_line_of_text, shown, write
from input import KEYBOARD, Reader, end, tapped
from lib import Control, Image, VhostUser, main, only_long, patience
from lib.backend import connections
from lib.libvirt import Domain, Libvirt, processes_with
from scsi import host

PAGE = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "libvirt.md")
MONITOR = "<video><driver name='vhostuser'/><model type='virtio' heads='1'/></video>"
DISK_XML = """<disk type='vhostuser' device='disk'>
  <driver name='qemu' type='raw' queues='2'/>
  <source type='unix' path='{}'><reconnect enabled='yes' timeout='1'/></source>
  <target dev='vda' bus='virtio'/>
</disk>"""
KILLS = 2


def by_arguments(devices):
    """<qemu:commandline> as the page has it."""
    words = []
    for number, device in enumerate(devices):
        chardev, props = f"vu{number}", {"driver": device.model, "chardev": f"vu{number}"} | device.props
        props |= {"bus": "pcie.0", "addr": hex(0x10 + number)}
        words += ["-chardev", f"socket,id={chardev},path={device.socket}", "-device", json.dumps(props)]
    return "<qemu:commandline>" + "".join(f"<qemu:arg value='{word}'/>" for word in words) + "</qemu:commandline>"


def describe_gpu(t):
    """A description that libvirt finds in place of the installed one: of a program with a name of this test's own."""
    os.symlink(t.program("vu-gpu"), t.path("vu-gpu"))
    folder = t.path("descriptions")
    os.mkdir(folder)
    with open(os.path.join(folder, "50-vu-gpu.json"), "w", encoding="utf-8") as file:
        json.dump({"description": "vu-gpu", "type": "gpu", "binary": t.path("vu-gpu"), "tags": []}, file)
    return folder


def the_page_has_this(xml):
    """Its definitions are those that are tried, but for names and numbers."""
    with open(PAGE, encoding="utf-8") as file:
        page = " ".join(re.sub(r"(path|timeout)='[^']*'", r"\1", file.read()).split())
    return " ".join(re.sub(r"(path|timeout)='[^']*'", r"\1", xml).split()) in page


def wait_for_requests(blk):
    """Until the process that runs now has served some: QEMU 7.2 does not get over a kill while it connects again."""
    limit, since = patience.end(), os.path.getsize(blk.log)
    while True:
        blk.signal(signal.SIGUSR1)
        time.sleep(0.2)
        with open(blk.log, encoding="utf-8", errors="replace") as log:
            log.seek(since)
            if any(int(count) for count in re.findall(r"^counters .* requests=(\d+)", log.read(), re.M)):
                return
        assert time.monotonic() < limit, f"no requests: {blk.tail()}"


def disk_and_more(t, qemu=None):
    """What QEMU 7.2 can do with emulated processors."""
    image = Image(t.path("image"), DISK)
    lun = Image(t.path("lun"), 16)
    with Libvirt(t, qemu=qemu) as libvirt, disk(t, image, "--direct", "--num-queues=2") as blk, t.backend("vu-rng") as rng, \
         host(t, f"0,file={lun.path}") as scsi:
        devices = [VhostUser("rng", rng), VhostUser("scsi", scsi, num_queues=1)]
        with t.machine(Domain, VhostUser("blk", blk), *devices, libvirt=libvirt, xml=DISK_XML.format(blk.socket),
                       more=by_arguments(devices), qemu=qemu, **verifier(t)) as guest:
            with t.check(f"{t.name}_page_has_the_definition"):
                assert the_page_has_this(DISK_XML.format("x"))
            with t.check(f"{t.name}_guest_reads_entropy"):
                assert guest.run("cat /sys/class/misc/hw_random/rng_current").text.startswith("virtio_rng")
                assert len(guest.run("head -c 64 /dev/hwrng").output) == 64
            with t.check(f"{t.name}_guest_writes_to_a_disk_of_vu-scsi"):
                guest.until("[ -b /dev/sda ]")
                guest.run("yes | dd of=/dev/sda bs=4k count=16 conv=fsync 2>/dev/null")
                assert lun.read(0, 4) == b"y\ny\n"
            with t.check(f"{t.name}_guest_loses_nothing_when_vu-blk_is_killed_{KILLS}_times"):
                job = verify_until_told(guest, threads=4, memory=16)
                for _ in range(KILLS):
                    wait_for_requests(blk)
                    blk.kill()
                    blk.start()
                wait_for_requests(blk)
                job.write(b"stop\n")
                verified(t, job)
            with t.check(f"{t.name}_domain_is_destroyed_and_its_back_ends_listen_on"):
                guest.kill()
                assert not libvirt.domains(), libvirt.domains()
                assert all(connections(back_end.socket)[0] for back_end in (blk, rng, scsi))


def test_libvirt(t):
    disk_and_more(t)


@only_long
def test_libvirt_newer_qemu(t):
    disk_and_more(t, qemu=t.newer_qemu)


def test_libvirt_monitor(t):
    """A graphics card, which libvirt starts, and a keyboard; both want QEMU 10."""
    qemu = t.newer_qemu
    program = t.path("vu-gpu")
    with Libvirt(t, describe_gpu(t), qemu) as libvirt, \
         t.backend("vu-input", f"--control={t.path('control')}") as keyboard:
        devices = [VhostUser("input", keyboard)]
        with t.machine(Domain, VhostUser("gpu", "libvirt's"), *devices, libvirt=libvirt, xml=MONITOR,
                       more=by_arguments(devices), qemu=qemu, programs=[t.program("guest-evread")]) as guest, \
             Control(t.path("control")) as control:
            with t.check(f"{t.name}_page_has_the_definition"):
                assert the_page_has_this(MONITOR)
            with t.check(f"{t.name}_guest_has_a_console_with_what_was_written_to_it"):
                write(guest, "\\033[2J\\033[Ha console of a guest")
                limit = patience.end()
                while not is_line_of_text(shown(guest, t)):
                    assert time.monotonic() < limit, "it is not shown"
                    time.sleep(0.1)
                assert len(processes_with(program)) == 1
            with t.check(f"{t.name}_guest_reads_what_is_typed"):
                reader = Reader(guest, KEYBOARD)
                control.say("type a")
                end(control)
                assert reader.events() == tapped(30)
            with t.check(f"{t.name}_domain_is_destroyed_and_its_graphics_card_ends"):
                guest.kill()
                limit = patience.end()
                while processes_with(program):
                    assert time.monotonic() < limit, "vu-gpu outlives its domain"
                    time.sleep(0.1)


if __name__ == "__main__":
    main()
