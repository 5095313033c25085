#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""libvirt starts vu-fs in virtiofsd's place: <binary path=...> in a domain's <filesystem>.

A libvirtd of the test's own, in namespaces where its folders are empty: it knows of no other
domain, and leaves nothing.  --long: also a domain that says nothing but the directory.
"""

import contextlib
import glob
import os
import shutil
import signal
import subprocess
import time

from lib import GuestError, Skip, main, patience
from lib.qemu import Qemu

CONFIG = """user = "root"
group = "root"
security_driver = "none"
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
"""
# The guest reads what the host wrote, and says so to the host: there is no other line to it.
GUEST = b"""export PATH=/bin
b=/bin/busybox
$b mount -t proc proc /proc
for m in $($b cat /modules/list); do $b insmod /modules/$m.ko; done
$b mount -t virtiofs srv /mnt && $b sed s/host/guest/ /mnt/host >/mnt/new && $b mv /mnt/new /mnt/guest
$b umount /mnt
$b poweroff -f
"""
DOMAIN = """<domain type='qemu'>
  <name>vu-fs</name>
  <memory unit='MiB'>256</memory>
  <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>{kernel}</kernel><initrd>{initrd}</initrd>
    <cmdline>console=ttyS0 panic=-1 no_timer_check rdinit=/bin/sh -- /share-script</cmdline>
  </os>
  <features><acpi/></features>
  <devices>
    <emulator>{qemu}</emulator>
    <filesystem type='mount'>
      <driver type='virtiofs'/>
      <binary path='{binary}' xattr='on'>{words}</binary>
      <source dir='{share}'/><target dir='srv'/>
    </filesystem>
    <serial type='file'><source path='{console}'/></serial>
  </devices>
</domain>
"""
WORDS = ["", "<cache mode='always'/><sandbox mode='namespace'/><lock posix='on' flock='on'/>"]


# libvirtd looks for the user and group that its packages make, also where the configuration names others.
SETUP = """set -e
# Of another root below them libvirt would take these for its own, and not find them.
while read -r _ at type _; do
    case $type:$at in cgroup*:/var/*|cgroup*:/run/*) umount --lazy "$at" ;; esac
done </proc/mounts
for folder in /etc/libvirt /run /var; do mount -t tmpfs tmpfs $folder; done
mkdir -p /var/lib /var/log /var/cache /var/tmp
ln -s /run /var/run
for file in passwd group; do
    grep -v ^libvirt-qemu: /etc/$file >/run/$file
    [ $file = group ] && rest=64055: || rest=64055:64055::/:/bin/false
    echo libvirt-qemu:x:$rest >>/run/$file
    mount --bind /run/$file /etc/$file
done
cat >/etc/libvirt/qemu.conf
exec libvirtd </dev/null"""


class Libvirt:
    """libvirtd and its clients, which see the same empty folders."""

    def __init__(self, folder):
        self.log = os.path.join(folder, "libvirtd.log")
        with open(self.log, "wb") as log:
            self._process = subprocess.Popen(
                ["unshare", "--mount", "--net", "--propagation=private", "sh", "-c", SETUP], stdin=subprocess.PIPE,
                stdout=log, stderr=log)
        self._process.stdin.write(CONFIG.encode())
        self._process.stdin.close()
        limit = patience.end()
        while (asked := self.virsh("list", check=False)).returncode:
            if self._process.poll() is not None or time.monotonic() > limit:
                self._process.kill()
                raise Skip(f"libvirtd does not run here: {asked.stderr.strip()}; {self.tail()}")
            time.sleep(0.1)

    def tail(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()[-1000:].strip()

    def inside(self, *argv, check=True):
        # with its root: who enters a mount namespace leaves the chroot that the test may be run in
        done = subprocess.run(["nsenter", f"--target={self._process.pid}", "--mount", "--root", *argv], check=False,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if check and done.returncode:
            raise GuestError(f"{' '.join(argv)}: {done.stderr.strip()}\n{self.backend_says()}\n{self.tail()}")
        return done

    def virsh(self, *argv, check=True):
        return self.inside("virsh", "-c", "qemu:///system", *argv, check=check)

    def backend_says(self):
        """What vu-fs wrote last: libvirt has a file for it."""
        return self.inside("sh", "-c", "tail -n 20 /var/log/libvirt/qemu/*virtiofsd.log", check=False).stdout

    def close(self):
        self.virsh("destroy", "vu-fs", check=False)
        self._process.send_signal(signal.SIGTERM)
        self._process.wait()


def runs_with(word):
    """Does a process have this word in its command line?"""
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        with contextlib.suppress(OSError), open(path, "rb") as file:
            if word.encode() in file.read():
                return True
    return False


def wait_until(condition, what, libvirt):
    limit = patience.end()
    while not condition():
        assert time.monotonic() < limit, f"{what}: {libvirt.backend_says()}\n{libvirt.tail()}"
        time.sleep(0.1)


def run_domain(t, libvirt, machine, words):
    """Starts it, and waits until the guest has said what it read and has ended."""
    share = t.path(f"share{len(words)}")
    os.mkdir(share)
    with open(os.path.join(share, "host"), "w", encoding="ascii") as file:
        file.write("from the host\n")
    xml = t.path(f"domain{len(words)}.xml")
    kernel = shutil.copy(machine.kernel.boot_image(machine.folder), t.path("vmlinuz"))
    with open(xml, "w", encoding="ascii") as file:
        file.write(DOMAIN.format(kernel=kernel, initrd=machine.initramfs,
                                 qemu=shutil.which("qemu-system-x86_64"), binary=t.program("vu-fs"), share=share,
                                 words=words, console=t.path(f"console{len(words)}")))
    libvirt.virsh("create", xml)
    answer = os.path.join(share, "guest")
    wait_until(lambda: os.path.exists(answer), "the guest says nothing", libvirt)
    with open(answer, encoding="ascii") as file:
        assert file.read() == "from the guest\n"
    assert "is shared; sandbox: namespace" in libvirt.backend_says(), libvirt.backend_says()
    wait_until(lambda: not libvirt.virsh("list", "--name").stdout.strip(), "the domain does not end", libvirt)
    wait_until(lambda: not runs_with(f"source={share}"), "vu-fs outlives its domain", libvirt)


def test_libvirt(t):
    for program in ("libvirtd", "virsh", "unshare", "nsenter"):
        if not shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin"):
            t.skip("libvirt_starts_vu_fs", f"no {program} (Debian packages libvirt-daemon, "
                   "libvirt-daemon-driver-qemu, libvirt-clients)")
            return
    if os.geteuid():
        t.skip("libvirt_starts_vu_fs", "libvirt has <filesystem> for root only")
        return
    machine = Qemu(t.path(""), "guest", t.store, modules=["virtio_pci", "virtiofs"], files={"/share-script": GUEST})
    libvirt = Libvirt(t.path(""))
    try:
        for words in WORDS if t.long else WORDS[1:]:
            name = "with_all_that_its_xml_can_say" if words else "with_no_more_than_a_directory"
            with t.check(f"libvirt_starts_vu_fs_{name}"):
                run_domain(t, libvirt, machine, words)
    finally:
        libvirt.close()


if __name__ == "__main__":
    main()
