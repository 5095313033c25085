# SPDX-License-Identifier: MIT
"""What the QEMU of this machine calls a device of a type, and where it has none: why."""

import collections
import subprocess

from .device import Generic, VhostUser
from .errors import Skip

# props: what its QEMU device has to be told; shape: how many queues and bytes of configuration space
# it has, for QEMU's device without a nature of its own; modules and programs: what the guest is given
# beside the driver; sets: of scripts/setup; try_first: a command for whoever sits before the guest.
Type = collections.namedtuple("Type", "props shape modules programs sets try_first",
                              defaults=({}, None, (), (), (), "ls -l /sys/bus/virtio/devices"))
TYPES = {
    "balloon": Type(shape=(2, 8), try_first="grep MemTotal /proc/meminfo"),
    "blk": Type(props={"num_queues": 1}, modules=["ext4"],
                try_first="mke2fs /dev/vda && mount /dev/vda /mnt && df /mnt"),
    "console": Type(shape=(4, 12), try_first="echo hello >/dev/hvc0"),
    "fs": Type(props={"tag": "fs"}, try_first="mount -t virtiofs fs /mnt"),
    "gpu": Type(shape=(2, 20), try_first="cat /proc/fb; echo hello >/dev/tty1"),
    "gpio": Type(shape=(2, 8), programs=["gpiodetect", "gpioinfo", "gpioget", "gpioset", "gpiomon"],
                 sets=["kernel"], try_first="gpioinfo"),
    "i2c": Type(shape=(1, 0), sets=["kernel"], try_first="i2cdetect -l"),
    "input": Type(shape=(2, 136), try_first="cat /proc/bus/input/devices"),
    "rng": Type(shape=(1, 0), try_first="head -c 64 /dev/hwrng | hexdump -C"),
    "scmi": Type(),
    "scsi": Type(props={"num_queues": 1}, try_first="ls -l /dev/sd*"),
    "vsock": Type(props={"guest_cid": 3}, try_first="ls -l /dev/vsock"),
}
# QEMU 9 and 10 have it under another name, and refuse to make one.
GENERIC = "vhost-user-test-device-pci"


def device(qemu, kind, socket):
    """The VhostUser for that QEMU (a program); raises Skip where it has none."""
    if kind == "scmi":
        raise Skip("scmi: its driver wants a device tree, which this kind of machine does not have; "
                   "docs/devices/scmi.md tells which does")
    own, shape = f"vhost-user-{kind}-pci", TYPES[kind].shape
    if _has(qemu, own):
        return VhostUser(kind, socket, **TYPES[kind].props)
    if shape and _has(qemu, GENERIC):
        return Generic(kind, socket, queues=shape[0], config_size=shape[1])
    version = _run(qemu, "--version").split("(")[0].split("\n")[0].strip()
    if not shape:
        raise Skip(f"{kind}: {version} has no {own}")
    raise Skip(f"{kind}: {version} has neither {own} nor {GENERIC}, which QEMU 11 has: say "
               "--newest-qemu, or name a newer one with VU_QEMU")


def _has(qemu, model):
    """Asked one by one: for a list of all, QEMU 11 loads modules, also those of another QEMU."""
    return _run(qemu, "-machine", "none", "-device", f"{model},help").startswith(model)


def _run(*argv):
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
    except OSError as error:
        raise Skip(f"{argv[0]}: {error.strerror}") from error
    if done.returncode:
        raise Skip(f"{argv[0]} does not run: {done.stdout.strip()[-200:]}")
    return done.stdout
