#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-trace between real front-ends and back-ends: all that passes is understood, nothing changes."""

import json
import os
import shutil

from iommu import INTEL, Iommu
from lib import Image, Skip, VhostUser, main


def trace(t, name, *command, options=()):
    """vu-trace in the place of a back-end that it runs."""
    out = t.path(f"{name}.json")
    return out, t.peer(name, t.program("vu-trace"), "--json", "--requests", f"--output={out}", *options,
                       "--", *command)


def lines(out):
    with open(out, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def events(out, kind):
    return [line for line in lines(out) if line["event"] == kind]


def check_disk(t, guest, out, who):
    with t.check(f"{who}_disk_behind_vu_trace_holds_what_was_written"):
        guest.run("dd if=/dev/urandom of=/tmp/a bs=1M count=4 2>/dev/null; "
                  "dd if=/tmp/a of=/dev/vda bs=64k oflag=direct 2>/dev/null; sync; "
                  "dd if=/dev/vda of=/tmp/b bs=64k count=64 iflag=direct 2>/dev/null; cmp /tmp/a /tmp/b")
    with t.check(f"{who}_disk_requests_are_put_into_words"):
        found = events(out, "request")
        names = {r["name"] for r in found}
        assert {"READ", "WRITE"} <= names and names <= {"READ", "WRITE", "FLUSH", "GET_ID", "REQUEST"}, names
        writes = sum(r["out"] - 16 for r in found if r["name"] == "WRITE")
        assert writes >= 4 << 20, writes
        timed = [r for r in found if "latency_us" in r]
        assert len(timed) > len(found) / 2, (len(timed), len(found))


def check_messages(t, out, who):
    with t.check(f"{who}_says_nothing_that_the_specification_forbids"):
        bad = events(out, "violation")
        assert not bad, bad
        unknown = [m for m in events(out, "message") if m["name"] is None]
        assert not unknown, unknown


def test_qemu_blk(t):
    image = Image(t.path("image"), 16)
    out, backend = trace(t, "trace", t.program("vu-blk"), "--socket-path={socket}",
                         f"--blk-file={image.path}")
    with backend, t.qemu(VhostUser("blk", backend, num_queues=1)) as guest:
        check_disk(t, guest, out, "qemu")
        with t.check("qemu_guest_reboots_behind_vu_trace"):
            guest.reboot()
            guest.run("dd if=/dev/vda of=/dev/null bs=64k count=16 2>/dev/null")
    check_messages(t, out, "qemu")


def test_qemu_storage_daemon(t):
    if not shutil.which("qemu-storage-daemon"):
        raise Skip("qemu-storage-daemon is not installed (Debian: qemu-utils)")
    image = Image(t.path("image"), 16)
    out, backend = trace(
        t, "trace", "qemu-storage-daemon", "--blockdev", f"driver=file,node-name=n,filename={image.path}",
        "--export", "type=vhost-user-blk,id=e,node-name=n,writable=on,addr.type=unix,addr.path={socket}",
        options=["--socket={socket}"])
    with backend, t.qemu(VhostUser("blk", backend, num_queues=1)) as guest:
        check_disk(t, guest, out, "qemu_storage_daemon")
    with t.check("qemu_storage_daemon_messages_are_known"):
        unknown = [m for m in events(out, "message") if m["name"] is None]
        assert not unknown, unknown


def test_qemu_iommu(t):
    """Addresses of the guest's that only the IOTLB messages explain."""
    image = Image(t.path("image"), 16)
    out, backend = trace(t, "trace", t.program("vu-blk"), "--socket-path={socket}", "--iommu",
                         f"--blk-file={image.path}")
    with backend, t.qemu(Iommu(*INTEL[:2]), VhostUser("blk", backend, num_queues=1, iommu_platform="on",
                                                      ats="on", disable_legacy="on"),
                         cmdline=f"{INTEL[2]} iommu.strict=1") as guest:
        check_disk(t, guest, out, "iommu")
    with t.check("iommu_messages_are_shown_on_both_sockets"):
        found = {(m["channel"], m["values"].get("type")) for m in events(out, "message")
                 if m["name"] == "IOTLB_MSG" and not m["reply"]}
        assert {("backend", "miss"), ("main", "update"), ("main", "invalidate")} <= found, found
    check_messages(t, out, "iommu")


def test_virtiofsd(t):
    """QEMU 7.2's own, in C: later ones come without it."""
    program = "/usr/lib/qemu/virtiofsd"
    if not os.access(program, os.X_OK):
        raise Skip(f"no {program} (Debian 12: qemu-system-common)")
    shared = t.path("shared")
    os.mkdir(shared)
    with open(os.path.join(shared, "file"), "w", encoding="ascii") as file:
        file.write("from the host\n")
    out, backend = trace(t, "trace", program, "--socket-path={socket}", "-o", f"source={shared}",
                         "-o", "sandbox=chroot", "-o", "cache=none")
    with backend, t.qemu(VhostUser("fs", backend, tag="fs")) as guest:
        with t.check("a_guest_uses_virtiofsd_behind_vu_trace"):
            said = guest.run("mount -t virtiofs fs /mnt && cat /mnt/file && echo back >/mnt/new; umount /mnt").text
            assert "from the host" in said, said
            with open(os.path.join(shared, "new"), encoding="ascii") as file:
                assert file.read() == "back\n"
        with t.check("virtiofsd_requests_are_put_into_words"):
            found = events(out, "request")
            said = {(r["name"], r["text"].split("name ")[-1]) for r in found}
            assert ("LOOKUP", '"file"') in said and ("CREATE", '"new"') in said, said
            assert {"INIT", "READ", "WRITE"} <= {r["name"] for r in found}, said
            missed = [r for r in found if r["name"] == "LOOKUP" and r["failed"]]
            assert any(r["result"] == "No such file or directory" for r in missed), missed


def test_qemu_killed(t):
    """The tool dies under a guest, whose back-end goes on for the next one."""
    image = Image(t.path("image"), 16)
    out = t.path("out")
    with t.backend("vu-blk", f"--blk-file={image.path}") as blk:
        tool = t.peer("trace", t.program("vu-trace"), "--json", "--requests", f"--output={out}",
                      "--listen={socket}", f"--connect={blk.socket}")
        with tool, t.qemu(VhostUser("blk", tool, num_queues=1, reconnect=1)) as guest:
            with t.check("a_guest_goes_on_when_vu_trace_is_killed_and_started_again"):
                guest.run("dd if=/dev/zero of=/dev/vda bs=64k count=16 oflag=direct 2>/dev/null")
                tool.kill()
                tool.start()
                guest.run("yes after | dd of=/dev/vda bs=4096 count=1 oflag=direct iflag=fullblock 2>/dev/null")
                said = guest.run("dd if=/dev/vda bs=4096 count=1 iflag=direct 2>/dev/null | head -n 1").text
                assert said.strip() == "after", said


def test_uml_console(t):
    out, backend = trace(t, "trace", t.program("vu-console"), "--socket-path={socket}", "--console=echo")
    with backend, t.uml(VhostUser("console", backend), linux=t.built_uml) as guest:
        with t.check("uml_console_behind_vu_trace_echoes"):
            said = guest.run("exec 3<>/dev/hvc0; stty raw -echo <&3; echo hello >&3; head -c 6 <&3").text
            assert "hello" in said, said
        with t.check("uml_console_requests_are_put_into_words"):
            found = events(out, "request")
            assert any(r["name"] == "TRANSMIT" and "hello" in r["text"] for r in found), found[-5:]
            # The driver kicks for each, so it is seen before it is used; but for what is there when a
            # ring starts, which the back-end may take before anybody looks.
            first = [next(r for r in found if r["queue"] == q) for q in {r["queue"] for r in found}]
            assert not [r for r in found if r["name"] == "REQUEST" and r not in first], found[:3]
    check_messages(t, out, "uml")


if __name__ == "__main__":
    main()
