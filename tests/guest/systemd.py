#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The units for systemd, under a systemd that runs: a guest's, with this machine's package.

The front-ends are programs in the same guest: vu-check, vu-bench, and the test peer's driver of vu-fs.  Without --long it is
vu-fs alone, whose unit does most.
"""

import os
import re
import subprocess

from lib import main, systemd

CONF = {"blk": "--blk-file=disk", "scsi": "--lun=memory=8M", "fs": "--shared-dir=/srv --state-fdstore"}
# What systemd calls SAFE ends at 2.0, OK at 4.9.  A device that shares a directory acts for its users.
SAFE, OK = 2.0, 4.9
RATING = re.compile(r"^→ Overall exposure level for vu-(\w+)@one\.service: ([\d.]+) (\w+)", re.M)


def names(t):
    folder = os.path.join(t.build, "examples", "systemd")
    return sorted(name[3:-9] for name in os.listdir(folder) if name.endswith("@.service"))


def configure(guest, devices):
    lines = [f"echo 'ARGS={CONF[name]}' >/etc/libvu/{name}-one.conf" for name in devices if name in CONF]
    guest.run("\n".join(["mkdir -p /etc/libvu /var/lib/vu/blk-one /srv", "printf kept >/srv/file",
                         "truncate -s 1M /var/lib/vu/blk-one/disk", *lines,
                         "systemctl start " + " ".join(f"vu-{name}@one.socket" for name in devices)]))


def shown(guest, unit, *properties):
    """What systemd says of a unit."""
    said = guest.run(f"systemctl --no-pager show {unit} " + " ".join(f"-p {p}" for p in properties)).text
    return dict(line.split("=", 1) for line in said.split("\n"))


def is_started_by_a_connection(guest, name):
    service = f"vu-{name}@one.service"
    before = shown(guest, service, "ActiveState", "Type")
    assert before == {"ActiveState": "inactive", "Type": "notify"}, before
    guest.run(f"vu-check --socket-path=/run/vu/{name}-one.sock --only=get-features --timeout=600")
    # systemd has it from the program: until then it says "activating".
    guest.until(f"systemctl is-active -q {service}")
    user = guest.run(f"stat -c '%U %a %G' /run/vu/{name}-one.sock").text
    assert user == "root 660 kvm", user


def is_what_the_page_says(guest, name):
    """Who it runs as, and what it may do."""
    pid = shown(guest, f"vu-{name}@one.service", "MainPID")["MainPID"]
    said = guest.run(f"grep -E '^(Uid|CapEff|NoNewPrivs|Seccomp):' /proc/{pid}/status").text
    rights = {key: value.split()[0] for key, _, value in (line.partition(":") for line in said.split("\n"))}
    assert rights["NoNewPrivs"] == "1" and rights["Seccomp"] == "2", said
    if name != "fs":
        # A dynamic user, with none of root's rights.
        assert int(rights["Uid"]) >= 61184 and int(rights["CapEff"], 16) == 0, said


def refused_calls(guest):
    return guest.run("journalctl -q --no-pager | grep -e 'sandbox: ' -e 'SECCOMP' || true").text


def every_device(t, guest, devices):
    for name in devices:
        with t.check(f"vu-{name}_is_started_by_a_connection_and_tells_systemd_when_it_is_ready"):
            is_started_by_a_connection(guest, name)
            is_what_the_page_says(guest, name)
    with t.check("systemd_rates_what_runs_as_the_page_says"):
        said = guest.run("SYSTEMD_COLORS=0 systemd-analyze security --no-pager "
                         + " ".join(f"vu-{name}@one.service" for name in devices)).text
        ratings = {name: float(rating) for name, rating, _ in RATING.findall(said)}
        t.say(" ".join(f"{name} {rating}" for name, rating in ratings.items()))
        assert set(ratings) == set(devices), said[-2000:]
        assert all(rating < (OK if name == "fs" else SAFE) for name, rating in ratings.items()), ratings
    with t.check("no_device_lacks_a_system_call"):
        assert "system call" not in refused_calls(guest), refused_calls(guest)


FILE = "/var/lib/vu/blk-one/disk"
# It fills as much as is asked for, or all that there is.
BENCH = "vu-bench --socket-path=/run/vu/blk-one.sock --rw=mix --verify --size=2M --time=0.01 >/run/bench"


def a_disk(t, guest):
    unit = "vu-blk@one.service"
    with t.check("vu-blk_serves_a_file_of_its_folder"):
        guest.run(BENCH)
        assert guest.run(f"du -k {FILE}").text.split()[0] == "1024"
    with t.check("vu-blk_looks_at_its_file_again_when_the_unit_is_reloaded"):
        guest.run(f"truncate -s 2M {FILE} && systemctl reload {unit}")
        guest.until(f"{BENCH} && [ $(du -k {FILE} | cut -f 1) = 2048 ]")
        assert shown(guest, unit, "NRestarts")["NRestarts"] == "0"
    with t.check("vu-blk_is_another_process_after_a_restart_of_the_unit"):
        pid = shown(guest, unit, "MainPID")["MainPID"]
        guest.run(f"systemctl restart {unit} && {BENCH}")
        assert shown(guest, unit, "MainPID")["MainPID"] != pid
    with t.check("vu-blk_that_is_stopped_is_started_by_the_next_connection"):
        guest.run(f"systemctl stop {unit} && {BENCH} && systemctl is-active {unit}")
    with t.check("vu-blk_without_its_disk_is_not_ready"):
        done = guest.run("echo 'ARGS=--blk-file=nowhere' >/etc/libvu/blk-two.conf\n"
                         "systemctl start vu-blk@two.socket && systemctl start vu-blk@two.service", check=False)
        assert done.status, done.text
        assert "nowhere" in guest.run("journalctl -q --no-pager -u vu-blk@two.service").text


def two_folders(t, guest):
    with t.check("two_devices_have_a_folder_each_that_the_other_cannot_read"):
        guest.run("echo 'ARGS=--blk-file=disk' >/etc/libvu/blk-three.conf\n"
                  "mkdir /var/lib/vu/blk-three && truncate -s 1M /var/lib/vu/blk-three/disk\n"
                  "systemctl start vu-blk@three.socket vu-blk@three.service")
        owners = guest.run("stat -L -c '%u %a' /var/lib/vu/blk-one/disk /var/lib/vu/blk-three/disk "
                           "/var/lib/vu/blk-one /var/lib/vu/blk-three").text.split("\n")
        assert len({line.split()[0] for line in owners}) == 2, owners
        assert all(line.endswith("700") for line in owners[2:]), owners


class FrontEnd:
    """The test peer's, of vu-fs: it has a file open."""

    def __init__(self, guest):
        self._guest, self._seen = guest, 0
        guest.run("mkfifo /run/go && guest-fs-front-end /run/vu/fs-one.sock file 0<>/run/go >/run/said 2>&1 &")
        self.reads()

    def reads(self):
        """The next thing that it says."""
        self._seen += 1
        self._guest.until(f"[ $(wc -l </run/said) -ge {self._seen} ]")
        return self._guest.run("cat /run/said").text.split("\n")[self._seen - 1]

    def connects_again(self):
        self._guest.run("echo >/run/go")
        return self.reads()


def expect(guest, said, wanted):
    assert said == wanted, said + "\n" + guest.run("journalctl -q --no-pager -u vu-fs@one.service | tail -n 20").text


def a_share(t, guest):
    unit = "vu-fs@one.service"
    guest.run(f"systemctl stop {unit}")
    front_end = FrontEnd(guest)
    with t.check("vu-fs_gives_its_state_to_systemd"):
        assert shown(guest, unit, "NFileDescriptorStore")["NFileDescriptorStore"] == "1"
    with t.check("vu-fs_that_is_killed_is_started_again_and_its_front_end_goes_on"):
        for kills in range(1, 4):
            pid = shown(guest, unit, "MainPID")["MainPID"]
            guest.run(f"kill -9 {pid}")
            guest.until(f"[ $(systemctl show {unit} -p NRestarts --value) = {kills} ] && systemctl is-active -q {unit}")
            expect(guest, front_end.connects_again(), "read kept")
    # A quick machine has started it as often by now as systemd lets anybody do in 10 seconds.
    guest.run(f"systemctl reset-failed {unit}")
    with t.check("vu-fs_goes_on_after_a_restart_of_the_unit"):
        guest.run(f"systemctl restart {unit}")
        expect(guest, front_end.connects_again(), "read kept")
        said = guest.run(f"journalctl -q --no-pager -u {unit}").text
        assert len(re.findall("1 of 1 open files of before", said)) == 4, said
    with t.check("vu-fs_that_was_stopped_begins_anew"):
        # systemd lets go of a unit's descriptors some time after its stop.
        guest.run(f"systemctl stop {unit}")
        guest.until(f"[ $(systemctl show {unit} -p NFileDescriptorStore --value) = 0 ]")
        assert front_end.connects_again().startswith("error ")


PAGE = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "systemd.md")
NODE = "/dev/dri/renderD128"


def page_on_devices():
    """What docs/systemd.md adds to vu-gpu's unit."""
    with open(PAGE, encoding="utf-8") as file:
        return re.search(r"^ +\[Service\]\n((?: +\S.*\n)*? +DeviceAllow=/dev/dri(?:.*\n)+?)\n", file.read(), re.M)[1]


def why_not(guest):
    """There is no Mesa here: what it says first, with a node that it could open, is that."""
    guest.run("systemctl restart vu-gpu@one.service", check=False)
    return guest.run("journalctl -q --no-pager -u vu-gpu@one.service | grep -e --render-node= | tail -n 1").text


def takes_a_node(t):
    said = subprocess.run([t.program("vu-gpu"), "--print-capabilities"], check=True, capture_output=True, text=True)
    return "render-node" in said.stdout


def a_render_node(t, guest):
    with t.check("vu-gpu_has_no_render_node_but_with_what_the_page_adds"):
        guest.run(f"[ -c {NODE} ]; chgrp render {NODE}; chmod 660 {NODE}; systemctl stop vu-gpu@one.service\n"
                  f"echo 'ARGS=--virgl --render-node={NODE}' >/etc/libvu/gpu-one.conf")
        assert "No such file" in why_not(guest), why_not(guest)
        lines = "\n".join(line.strip() for line in page_on_devices().split("\n"))
        guest.run("mkdir /etc/systemd/system/vu-gpu@one.service.d; systemctl reset-failed\n"
                  f"printf '[Service]\n{lines}' >/etc/systemd/system/vu-gpu@one.service.d/more.conf; systemctl daemon-reload")
        assert "there is no OpenGL" in why_not(guest), why_not(guest)


def test_qemu(t):
    devices = names(t) if t.long else [name for name in names(t) if name == "fs"]
    image = systemd.disk(t, devices, programs=("vu-check", "vu-bench", "guest-fs-front-end"))
    card = {"modules": ["virtio_gpu"], "extra": ["-device", "virtio-gpu-pci"]} if "gpu" in devices else {}
    with systemd.boot(t, image, **card) as guest:
        guest.until("systemctl is-active -q basic.target")
        t.say(guest.run("systemctl --no-pager --version").text.split("\n", maxsplit=1)[0])
        configure(guest, devices)
        every_device(t, guest, devices)
        if "blk" in devices:
            a_disk(t, guest)
            two_folders(t, guest)
        if "gpu" in devices and takes_a_node(t):
            a_render_node(t, guest)
        if "fs" in devices:
            a_share(t, guest)


if __name__ == "__main__":
    main()
