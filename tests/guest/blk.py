#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-blk under real kernels: a file system on it, and what the host finds in its image."""

import hashlib
import signal

from lib import Image, VhostUser, main

SERIAL = "libvu-disk-0001"
SIZE = 256  # MiB
GROWN = 320
PIECE = 16  # MiB in the file
FILE_SYSTEM = {"modules": ["ext4"], "programs": ["mke2fs"]}

NUMBER_OF_QUEUES = "ls /sys/block/vda/mq | wc -l"


def disk(t, image, *options, name="vu-blk"):
    """Starts vu-blk on an Image."""
    return t.backend(name, f"--blk-file={image.path}", *options)


def identity(t, guest, queues):
    with t.check(f"{t.name}_guest_sees_the_serial"):
        serial = guest.run("cat /sys/block/vda/serial").text
        assert serial == SERIAL, f"serial is {serial!r}"
    with t.check(f"{t.name}_guest_sees_size_queues_and_cache"):
        got = guest.run(f"cat /sys/block/vda/size; {NUMBER_OF_QUEUES}; "
                        "cat /sys/block/vda/cache_type").text.split("\n")
        wanted = [str(SIZE * 2048), str(queues), "write back"]
        assert got == wanted, f"{got} instead of {wanted}"


def write_cache(t, guest):
    with t.check(f"{t.name}_guest_turns_the_write_cache_off_and_on"):
        for kind in ("write through", "write back"):
            got = guest.run(f"echo '{kind}' >/sys/block/vda/cache_type && "
                            "cat /sys/block/vda/cache_type").text
            assert got == kind, f"{got} instead of {kind}"


def make_file(t, guest):
    """Makes a file system with a file; the file's SHA-256, as the guest computed it."""
    digest = None
    with t.check(f"{t.name}_guest_makes_and_mounts_a_file_system"):
        guest.run("mke2fs -q -t ext4 /dev/vda && mount /dev/vda /mnt")
    with t.check(f"{t.name}_guest_writes_a_file_and_syncs"):
        digest = guest.run(f"dd if=/dev/urandom of=/mnt/file bs=1M count={PIECE} 2>/dev/null && "
                           "sync && sha256sum </mnt/file").text.split()[0]
    return digest


def reread(t, guest, digest):
    with t.check(f"{t.name}_guest_reads_its_file_again_from_the_disk"):
        again = guest.run("echo 3 >/proc/sys/vm/drop_caches; sha256sum </mnt/file").text.split()[0]
        assert again == digest, f"{again} instead of {digest}"


def discard(t, guest, image):
    with t.check(f"{t.name}_guest_discards_and_the_image_has_a_hole_there"):
        guest.run(f"dd if=/dev/urandom of=/mnt/gone bs=1M count={PIECE} 2>/dev/null && sync")
        before = image.allocated()
        guest.run("rm /mnt/gone && sync && fstrim /mnt")
        freed = before - image.allocated()
        assert freed > (PIECE - 2) << 20, f"only {freed} bytes were freed"


def reboot(t, guest, digest):
    with t.check(f"{t.name}_guest_finds_its_file_after_a_reboot_with_the_same_back_end"):
        guest.run("umount /mnt")
        guest.reboot()
        again = guest.run("mount /dev/vda /mnt && sha256sum </mnt/file").text.split()[0]
        assert again == digest, f"{again} instead of {digest}"


def resize(t, guest, image, blk):
    with t.check(f"{t.name}_guest_sees_the_disk_grow"):
        image.grow(GROWN)
        blk.signal(signal.SIGHUP)
        guest.until(f"[ $(cat /sys/block/vda/size) = {GROWN * 2048} ]")
    with t.check(f"{t.name}_guest_writes_to_the_end_of_the_grown_disk"):
        guest.run(f"yes libvu | dd of=/dev/vda bs=4096 count=1 iflag=fullblock conv=fsync "
                  f"seek={GROWN * 256 - 1} 2>/dev/null")
        got = image.read((GROWN << 20) - 4096, 12)
        assert got == b"libvu\nlibvu\n", f"the host finds {got}"


def host_side(t, image, digest):
    with t.check(f"{t.name}_image_is_a_clean_file_system_for_the_host"):
        image.fsck()
    with t.check(f"{t.name}_image_has_the_file_as_the_guest_wrote_it"):
        on_host = hashlib.sha256(image.file("file")).hexdigest()
        assert on_host == digest, f"{on_host} on the host, {digest} in the guest"


def file_system(t, boot, queues=1, **props):
    """All of it, in one boot.  `queues`: how many the guest's kernel should use."""
    image = Image(t.path("image"), SIZE)
    with disk(t, image, "--num-queues=4", f"--serial={SERIAL}") as blk:
        with boot(VhostUser("blk", blk, **props), **FILE_SYSTEM) as guest:
            identity(t, guest, queues)
            write_cache(t, guest)
            digest = make_file(t, guest)
            reread(t, guest, digest)
            discard(t, guest, image)
            reboot(t, guest, digest)
            resize(t, guest, image, blk)
            guest.run("umount /mnt")
        host_side(t, image, digest)


def precious(t):
    """An image that nobody may write to."""
    image = Image(t.path("read-only"), 16)
    with open(image.path, "r+b") as file:
        file.write(b"precious")
    return image


def read_only(t, guest, image, name):
    with t.check(f"{t.name}_guest_reads_a_read_only_disk_and_cannot_write_it"):
        result = guest.run(f"cat /sys/block/{name}/ro; head -c 8 /dev/{name}; echo; "
                           f"echo other | dd of=/dev/{name} conv=fsync 2>&1; echo $?", check=False)
        lines = result.text.split("\n")
        assert lines[:2] == ["1", "precious"] and lines[-1] != "0", result.text
        assert image.read(0, 8) == b"precious", "the image was written to"


def test_qemu(t):
    file_system(t, t.qemu, queues=2, num_queues=4)


def test_uml(t):
    file_system(t, t.uml)


if __name__ == "__main__":
    main()
