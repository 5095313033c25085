# SPDX-License-Identifier: MIT
"""A libvirtd of the test's own, in namespaces where its folders are empty: it knows of no other domain, and
leaves nothing.  Domains that it starts can be guests like those of other front-ends.
"""

import contextlib
import glob
import json
import os
import shutil
import signal
import socket
import subprocess
import time

from . import patience, process
from .errors import GuestError, Skip
from .newer import LIBRARIES
from .qemu import Qemu
from .store import writable_cache

CONFIG = """user = "root"
group = "root"
security_driver = "none"
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
"""
# libvirtd looks for the user and group that its packages make, also where the configuration names others.
# The cache folder ($1) may be below /var: newer programs are there.  $2 has descriptions of back-ends.
# libvirt has QEMU load every module, and a QEMU ends when it finds those of another one: $3 are its own.
SETUP = """set -e
# Of another root below them libvirt would take these for its own, and not find them.
while read -r _ at type _; do
    case $type:$at in cgroup*:/var/*|cgroup*:/run/*) umount --lazy "$at" ;; esac
done </proc/mounts
mount -t tmpfs tmpfs /run
mkdir -p "$1" /run/cache && mount --bind "$1" /run/cache
mount -t tmpfs tmpfs /var
mkdir -p "$1" && mount --move /run/cache "$1"
mkdir -p /var/lib /var/log /var/cache /var/tmp
ln -s /run /var/run
cp -a /etc /run/etc && mount --bind /run/etc /etc
for file in passwd group; do
    [ $file = group ] && rest=64055: || rest=64055:64055::/:/bin/false
    grep -v ^libvirt-qemu: /etc/$file >/run/$file
    echo libvirt-qemu:x:$rest >>/run/$file
    mv /run/$file /etc/$file
done
rm -rf /etc/libvirt && mkdir -p /etc/libvirt /etc/qemu/vhost-user
cp "$2"/*.json /etc/qemu/vhost-user 2>/dev/null || true
[ -z "$3" ] || mount --bind "$3" /usr/lib/x86_64-linux-gnu/qemu
cat >/etc/libvirt/qemu.conf
exec libvirtd </dev/null"""


class Libvirt:
    """libvirtd and its clients, which see the same empty folders.  `descriptions`: a folder of JSON.
    `qemu`: a program of newer.py's, if domains are to have one.
    """

    def __init__(self, t, descriptions="/nonexistent", qemu=None):
        for program in ("libvirtd", "virsh", "unshare", "nsenter"):
            if not shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin"):
                raise Skip(f"no {program} (Debian packages libvirt-daemon, libvirt-daemon-driver-qemu, libvirt-clients)")
        if os.geteuid():
            raise Skip("a libvirtd with folders of its own is for root")
        self.log = t.path("libvirtd.log")
        modules = f"{os.path.dirname(qemu)}/{LIBRARIES}/qemu" if qemu else ""
        with open(self.log, "wb") as log:
            self._process = subprocess.Popen(
                ["unshare", "--mount", "--net", "--propagation=private", "sh", "-c", SETUP, "sh", writable_cache(),
                 descriptions, modules], stdin=subprocess.PIPE, stdout=log, stderr=log)
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

    def domains(self):
        """The names of those that run."""
        return self.virsh("list", "--name").stdout.split()

    def backend_says(self):
        """What vu-fs wrote last: libvirt has a file for it."""
        return self.inside("sh", "-c", "tail -n 20 /var/log/libvirt/qemu/*virtiofsd.log", check=False).stdout

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for name in self.virsh("list", "--name", check=False).stdout.split():
            self.virsh("destroy", name, check=False)
        self._process.send_signal(signal.SIGTERM)
        self._process.wait()


def processes_with(word):
    """Those that have this word in their command line."""
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        with contextlib.suppress(OSError), open(path, "rb") as file:
            if word.encode() in file.read():
                found.append(int(path.split("/")[2]))
    return found


DOMAIN = """<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{name}</name>
  <memory unit='MiB'>{memory}</memory>
  <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>
  <vcpu>{cpus}</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>{kernel}</kernel><initrd>{initrd}</initrd><cmdline>{cmdline}</cmdline>
  </os>
  <features><acpi/></features>
  <devices>
    <emulator>{qemu}</emulator>
    <serial type='unix'><source mode='connect' path='{console}'/><target port='0'/></serial>
    <serial type='unix'><source mode='connect' path='{agent}'/><target port='1'/></serial>
    {devices}
  </devices>
  {more}
</domain>
"""


class Domain(Qemu):
    """A guest that libvirt starts: `xml` is what its definition has among <devices>, `more` behind them."""

    front_end = "libvirt"

    def __init__(self, *args, libvirt, xml, more="", **kw):
        self._libvirt, self._xml, self._more = libvirt, xml, more
        super().__init__(*args, **kw)

    def boot(self):
        self.say(f"{self.name}: libvirt starts it")
        listeners = [self._listen(name) for name in ("console", "agent")]
        # it must be where the other mount namespace has it, too
        kernel = shutil.copy(self.kernel.boot_image(self.folder), os.path.join(self.folder, "vmlinuz"))
        path = os.path.join(self.folder, f"{self.name}.xml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(DOMAIN.format(
                name=self.name, memory=self.memory, cpus=self.cpus, kernel=kernel, initrd=self.initramfs,
                cmdline=f"{self.basic_cmdline()} {self.cmdline}", qemu=self._program, devices=self._xml,
                console=listeners[0].getsockname(), agent=listeners[1].getsockname(), more=self._more))
        self._libvirt.virsh("create", path)
        self._process = _Running(self._libvirt, self.name)
        with open(self.log, "w", encoding="utf-8") as log:
            log.write(self._libvirt.inside("cat", f"/var/log/libvirt/qemu/{self.name}.log").stdout)
        self.console, self.agent = (self._accept(listener) for listener in listeners)
        ready = self.wait_agent(rb"(?:^|\r)@ready .*\n", what="sign of a booted guest")
        self._mark = ready.end
        return self

    def _listen(self, name):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(os.path.join(self.folder, f"{self.name}.{name}.sock"))
        listener.listen(1)
        return listener

    def _accept(self, listener):
        with listener:
            ours, log = listener.accept()[0], listener.getsockname().removesuffix(".sock")
        stream = process.Stream(ours.fileno(), log)
        self._pairs.append((ours, stream))
        return stream

    def qmp(self, command, **arguments):
        line = {"execute": command, "arguments": {k.replace("_", "-"): v for k, v in arguments.items()}}
        answer = json.loads(self._libvirt.virsh("qemu-monitor-command", self.name, json.dumps(line)).stdout)
        if "error" in answer:
            raise GuestError(f"{command}: {answer['error']['desc']}")
        return answer["return"]

    def kill(self):
        self._libvirt.virsh("destroy", self.name)

    def close(self):
        if self.name in self._libvirt.domains():
            self.kill()
        for ours, stream in self._pairs:
            stream.close()
            ours.detach()
        self._pairs = []


class _Running:
    """Whether a domain runs, for those who would ask its process."""

    def __init__(self, libvirt, name):
        self._libvirt, self._name = libvirt, name

    def poll(self):
        return None if self._name in self._libvirt.domains() else 0

    def wait(self, timeout=0.0):
        limit = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() >= limit:
                raise subprocess.TimeoutExpired(self._name, timeout)
            time.sleep(0.1)
        return 0
