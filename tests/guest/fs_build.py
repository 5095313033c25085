#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A guest does its work in a share: it clones a repository, compiles it and packs a tree, and fio
verifies what it wrote.  Its programs and their libraries are the host's own, from a share that is
read-only: what is mapped and executed comes through vu-fs, too.

--long: all of the repository, and a tree of tens of thousands of files; VU_TREE=FOLDER for another one, a kernel's.
"""

import contextlib
import os
import shutil
import subprocess
import time

from lib import Skip, VhostUser, main

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.normpath(f"{HERE}/../..")
# What is compiled: sources that need nothing but the C library and their own folder.
SOURCES, LONG_SOURCES = ["lib/wire"], ["lib/wire", "lib/mem", "lib/base", "lib/ring", "lib/core"]
TREE, LONG_TREE = "/usr/include/linux", os.environ.get("VU_TREE", "/usr/include /usr/share/doc /usr/lib/git-core")
COMPILE = "for f in {folders}; do for c in $f/*.c; do cc -std=gnu11 -D_GNU_SOURCE -O1 -Iinclude -Ilib -c $c " \
          "-o $c.o || exit 1; done; done; find lib -name '*.o' | sort | xargs sha256sum"
# Times and owners as they are; the order is the directory's.
PACK = "tar --sort=name -cf - -C {at} {tree} 2>/dev/null | sha256sum"
UNPACK = "mkdir /mnt/unpacked && tar -cf - -C / {tree} 2>/dev/null | tar -xf - -C /mnt/unpacked"
FIO = "fio --name=verify --directory=/mnt --size={size} --rw=randrw --bsrange=512-64k --bs_unaligned " \
      "--verify=crc32c --numjobs=2 --group_reporting --ioengine=psync --end_fsync=1 --fallocate=none >/mnt/fio.log"
INSIDE = "chroot /theirs /usr/bin/env -i PATH=/usr/bin:/bin HOME=/tmp LC_ALL=C"


def on_host(script):
    return subprocess.run(["env", "-i", "PATH=/usr/bin:/bin", "HOME=/tmp", "LC_ALL=C", "sh", "-c", script],
                          check=True, capture_output=True, text=True).stdout


def in_guest(guest, script, work=30):
    path = "/tmp/script"
    guest.run(f"cat >/theirs{path} <<'END_OF_SCRIPT'\n{script}\nEND_OF_SCRIPT")
    return guest.run(f"{INSIDE} sh -e {path}", work).text


def make_repository(path):
    """The sources of ours, which have no history when they come from a tarball."""
    os.makedirs(f"{path}/origin")
    for folder in ("lib", "include"):
        shutil.copytree(f"{TOP}/{folder}", f"{path}/origin/{folder}")
    # What a build makes of templates.
    with open(f"{path}/origin/include/libvu/version.h", "w", encoding="ascii") as file:
        file.write('#define VU_VERSION "0"\n#define VU_VERSION_NUM 0\n')
    on_host(f"cd {path}/origin && git -c init.defaultBranch=main init -q && git add -f . && "
            "git -c user.name=a -c user.email=b commit -q -m all")


def enter(guest):
    guest.run("mkdir /theirs && mount -t virtiofs root /theirs && mount -t virtiofs work /theirs/mnt && "
              "mount -t tmpfs tmpfs /theirs/tmp && mount -t proc proc /theirs/proc && "
              "mount -t devtmpfs dev /theirs/dev")


def work(t, guest, share):
    folders = " ".join(LONG_SOURCES if t.long else SOURCES)
    minutes = 600 if t.long else 60
    # Names as they are in an archive.
    tree = " ".join(name.lstrip("/") for name in (LONG_TREE if t.long else TREE).split())
    packed, files = on_host(PACK.format(at="/", tree=tree)).strip(), on_host(f"cd / && find {tree} | wc -l")
    make_repository(share)
    with t.check("uml7_guest_clones_a_repository_and_compiles_what_the_host_compiles"):
        build = f"cd clone && {COMPILE.format(folders=folders)}"
        clone = "git -c safe.directory='*' clone -q --no-local"
        there = in_guest(guest, f"cd /mnt && {clone} /mnt/origin clone && {build}", minutes)
        shutil.rmtree(f"{share}/clone")
        here = on_host(f"cd {share} && {clone} {share}/origin clone && {build}")
        assert there.strip() == here.strip() and here.count(".o\n") >= 3, f"{there}\n{here}"
        t.say(f"{here.count('.o')} files are compiled")
    with t.check("uml7_guest_packs_a_tree_as_the_host_does"):
        began = time.monotonic()
        assert in_guest(guest, PACK.format(at="/", tree=tree), minutes).strip() == packed
        t.say(f"{files.strip()} files, {time.monotonic() - began:.0f} s")
    with t.check("uml7_guest_unpacks_a_tree_and_packs_it_again_as_it_was"):
        began = time.monotonic()
        in_guest(guest, UNPACK.format(tree=tree), minutes)
        t.say(f"{time.monotonic() - began:.0f} s")
        assert in_guest(guest, PACK.format(at="/mnt/unpacked", tree=tree), minutes).strip() == packed
        assert on_host(PACK.format(at=f"{share}/unpacked", tree=tree)).strip() == packed
    with t.check("uml7_fio_verifies_what_it_wrote"):
        if not shutil.which("fio"):
            raise Skip("no fio (Debian package fio)")
        in_guest(guest, FIO.format(size="256M" if t.long else "4M"), minutes)


def test_uml7(t):
    if os.geteuid():
        raise Skip("only root may read all programs of this machine")
    linux, share = t.newer_uml, t.path("share")
    for program in ("git", "cc", "tar"):
        if not shutil.which(program):
            raise Skip(f"no {program}: run scripts/setup build")
    os.mkdir(share)
    with contextlib.ExitStack() as stack:
        root = stack.enter_context(t.backend("vu-fs", "--shared-dir=/", "--readonly", "--tag=root",
                                             "--cache=always"))
        files = stack.enter_context(t.backend("vu-fs", f"--shared-dir={share}", "--tag=work",
                                              "--num-request-queues=2"))
        # A kernel's tree is more than the guest can keep in mind: see fs_stress.py.
        guest = stack.enter_context(t.uml(VhostUser("fs", root), VhostUser("fs", files), linux=linux,
                                          memory=512, complaints_ok=t.long))
        enter(guest)
        work(t, guest, share)


if __name__ == "__main__":
    main()
