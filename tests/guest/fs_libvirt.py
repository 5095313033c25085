#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""libvirt starts vu-fs in virtiofsd's place: <binary path=...> in a domain's <filesystem>.

A libvirtd of the test's own, in namespaces where its folders are empty: it knows of no other
domain, and leaves nothing.  --long: also a domain that says nothing but the directory.
"""

import os
import shutil
import time

from lib import main, patience
from lib.libvirt import Libvirt, processes_with
from lib.qemu import Qemu

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
MOST = "with_all_that_its_xml_can_say"
WORDS = {
    "with_no_more_than_a_directory": "",
    "without_a_cache": "<cache mode='none'/>",
    MOST: "<cache mode='always'/><sandbox mode='namespace'/><lock posix='on' flock='on'/>",
}


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
    wait_until(lambda: not libvirt.domains(), "the domain does not end", libvirt)
    wait_until(lambda: not processes_with(f"source={share}"), "vu-fs outlives its domain", libvirt)


def test_libvirt(t):
    machine = Qemu(t.path(""), "guest", t.store, modules=["virtio_pci", "virtiofs"], files={"/share-script": GUEST})
    with Libvirt(t) as libvirt:
        for name, words in WORDS.items() if t.long else [(MOST, WORDS[MOST])]:
            with t.check(f"libvirt_starts_vu_fs_{name}"):
                run_domain(t, libvirt, machine, words)


if __name__ == "__main__":
    main()
