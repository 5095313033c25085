#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A guest's users, and whose its files are on the host: idmapped mounts in the guest, and vu-fs's own maps."""

import contextlib
import os
import subprocess
import tempfile

from lib import Skip, VhostUser, main

# Of everything that can be made, one; a change of each kind; and what is left over.
MAKE = """cd {at} && echo hello >file && mkdir dir && ln -s file link && mknod fifo p && ln file second &&
mv second dir/moved && echo more >>dir/moved && cat file && chmod 600 fifo && touch fifo &&
: >gone && rm gone && mkdir gone && rmdir gone && stat -c %u:%g file dir link fifo && cd /"""
MADE = "file dir link fifo dir/moved".split()
SEEN_BY_ROOT = "hello more" + " 0:0" * 4


def owners(share):
    return {(s.st_uid, s.st_gid) for s in (os.lstat(os.path.join(share, name)) for name in MADE)}


def make(guest, at):
    said = guest.run(MAKE.format(at=at)).text.split()
    assert " ".join(said) == SEEN_BY_ROOT, said


def refused(guest, command, why):
    said = guest.run(f"{{ {command}; }} 2>&1 || true").text
    assert why in said, said


def idmapped(t, guest, share):
    with t.check("uml7_root_at_an_idmapped_mount_makes_files_of_another_user"):
        guest.run("mkdir -p /root-is /other-is && guest-idmap /plain /root-is 1000 0")
        os.chown(share, 1000, 1000)
        make(guest, "/root-is")
        assert owners(share) == {(1000, 1000)}, owners(share)
        said = guest.run("stat -c %u:%g /plain/file; chown 0:0 /root-is/file; stat -c %u /plain/file").text.split()
        assert said == ["1000:1000", "1000"], said
    with t.check("uml7_whoever_is_nobody_at_an_idmapped_mount_makes_nothing"):
        guest.run("guest-idmap /plain /other-is 1000 5")
        refused(guest, "echo >/other-is/new", "Value too large")
        refused(guest, "mkdir /other-is/new", "Value too large")
        refused(guest, "chown 0 /other-is/file", "Value too large")
        assert not os.path.exists(f"{share}/new")
        assert guest.run("cat /other-is/file").text.split() == ["hello", "more"]
    guest.run("umount /root-is /other-is")


def of_a_namespace(t, guest, share):
    with t.check("uml7_users_of_a_guest_are_those_of_a_user_namespace"):
        make(guest, "/namespace")
        guest.run("chown 1000:1001 /namespace/link -h && chown 1000:1001 /namespace/file")
        assert owners(share) == {(100000, 100000), (101000, 101001)}, owners(share)
        assert guest.run("stat -c %u:%g /namespace/file").text == "1000:1001"
        refused(guest, "chown 70000 /namespace/dir", "Invalid argument")
        refused(guest, "mknod /namespace/null c 1 3", "Operation not permitted")


def translated(t, guest, share):
    with t.check("uml7_users_of_a_guest_are_called_otherwise_on_the_host"):
        make(guest, "/translated")
        assert owners(share) == {(5000, 6000)}, owners(share)
        guest.run("chown 7:8 /translated/file")
        assert (5007, 6008) in owners(share), owners(share)
        assert guest.run("stat -c %u:%g /translated/file").text == "7:8"


def has_user_namespaces():
    return subprocess.run(["unshare", "--user", "--map-root-user", "true"], stderr=subprocess.DEVNULL,
                          check=False).returncode == 0


def test_uml7(t):
    if os.geteuid():
        raise Skip("only root may act as other users")
    linux = t.newer_uml
    maps = {"plain": (0, []), "namespace": (100000, ["--uid-map=:0:100000:65536:", "--gid-map=:0:100000:65536:"]),
            "translated": (5000, ["--translate-uid=map:0:5000:100", "--translate-gid=map:0:6000:100"])}
    if not has_user_namespaces():
        del maps["namespace"]
        t.skip("uml7_users_of_a_guest_are_those_of_a_user_namespace", "no user namespaces can be had")
    with contextlib.ExitStack() as stack:
        shares, devices = {}, []
        for name, (owner, options) in maps.items():
            share = shares[name] = stack.enter_context(
                tempfile.TemporaryDirectory(dir="/dev/shm", prefix="libvu-fs-share-"))
            os.chmod(share, 0o755)
            os.chown(share, owner, owner)
            devices.append(VhostUser("fs", stack.enter_context(
                t.backend("vu-fs", f"--shared-dir={share}", f"--tag={name}", *options))))
        guest = stack.enter_context(t.uml(*devices, linux=linux, programs=[t.program("guest-idmap")]))
        for name in maps:
            guest.run(f"mkdir -p /{name} && mount -t virtiofs {name} /{name}")
        idmapped(t, guest, shares["plain"])
        if "namespace" in maps:
            of_a_namespace(t, guest, shares["namespace"])
        translated(t, guest, shares["translated"])
        guest.run("umount " + " ".join(f"/{name}" for name in maps))


if __name__ == "__main__":
    main()
