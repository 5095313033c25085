#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-blk behind an IOMMU of the guest's, under a verifying writer: requests mapped and unmapped one
by one, or lazily, or not at all."""

from blk import disk
from blk_verify import DISK, requests, verified, verifier, verify
from lib import Image, VhostUser, main
from lib.newer_kernel import NewerKernel, NewestKernel


class Iommu:
    """Comes before the devices that are behind it."""

    def __init__(self, model, modules=()):
        self.model, self.modules = model, list(modules)

    def qemu_args(self, _):
        return ["-device", self.model]


INTEL = ("intel-iommu,intremap=on,device-iotlb=on", (), "intel_iommu=on")
VIRTIO = ("virtio-iommu-pci", ("virtio_iommu",), "")

# How the guest uses it: kernel parameters, and how its disk's device is seen then.
WAYS = {
    "strict": ("iommu.strict=1", "DMA"),
    "lazily": ("iommu.strict=0", "DMA-FQ"),
    "passed_through": ("iommu.passthrough=1", "identity"),
}


def behind(t, kind, way, qemu=None, reboots=True, queues=4, boot=None, **props):
    seconds = 60 if t.long else 3
    model, modules, parameter = kind
    more, domain = WAYS[way]
    image = Image(t.path(f"image-{way}"), DISK)
    with disk(t, image, f"--num-queues={queues}", "--iommu") as blk, \
         (boot or t.qemu)(
             Iommu(model, modules),
             VhostUser("blk", blk, num_queues=queues, iommu_platform="on", ats="on",
                       disable_legacy="on", **props),
             qemu=qemu, cpus=4, cmdline=f"{parameter} {more}", **verifier(t)) as guest:
        with t.check(f"{t.name}_guest_verifies_on_{queues}_queues_{way}"):
            found = guest.run("cat $(readlink -f /sys/block/vda/device/..)/iommu_group/type").text
            assert found.strip() == domain, f"the domain is {found}, not {domain}"
            verified(t, verify(t, guest, seconds, threads=8), seconds)
            counts = requests(blk)
            t.say(f"requests on each queue: {list(counts.values())}")
            assert len(counts) == queues and min(counts.values()) > 0, counts
        if not reboots:
            return
        with t.check(f"{t.name}_guest_reboots_and_verifies_again_{way}"):
            guest.reboot()
            verified(t, verify(t, guest, 2), 2)


def test_intel(t):
    """QEMU 7.2 does not tell back-ends what a lazy guest invalidates: so not "lazily".

    At a reboot it may die by itself (docs/iommu.md, "Limits").
    """
    behind(t, INTEL, "strict", reboots=False)


def test_intel_lazily(t):
    """QEMU 10 cannot start a device with several queues anew (docs/iommu.md, "Limits")."""
    behind(t, INTEL, "lazily", t.newer_qemu, reboots=False)


def test_intel_one_queue(t):
    """With one queue it can."""
    if t.long:
        behind(t, INTEL, "lazily", t.newer_qemu, queues=1)


def test_intel_passed_through(t):
    behind(t, INTEL, "passed_through", t.newer_qemu, reboots=t.long)


def test_intel_packed(t):
    """At a reboot QEMU 10 gives up the device by itself ("vhost start failed")."""
    behind(t, INTEL, "strict", t.newer_qemu, reboots=False, packed="on")


def test_newest(t):
    """Rings of several pages, which need not be neighbours."""
    behind(t, INTEL, "strict", t.newest_qemu, queue_size=1024)


def with_virtio(t, qemu, way="strict", kernel=NewerKernel, reboots=True):
    """The machine's own kind of kernel, Debian 12's, has no driver for it."""
    def boot(*devices, **options):
        return t.machine(kernel, *devices, **options)

    behind(t, VIRTIO, way, qemu, reboots, boot=boot, queue_size=1024)


def test_newest_virtio(t):
    with_virtio(t, t.newest_qemu)


def test_newest_virtio_lazily(t):
    if t.long:
        with_virtio(t, t.newest_qemu, "lazily")


def test_newest_virtio_linux7(t):
    if t.long:
        with_virtio(t, t.newest_qemu, kernel=NewestKernel)


def test_virtio(t):
    """QEMU 10 cannot start several queues anew, as above."""
    if t.long:
        with_virtio(t, t.newer_qemu, reboots=False)


if __name__ == "__main__":
    main()
