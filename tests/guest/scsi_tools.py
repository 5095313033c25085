#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The programs that users have for SCSI, sg3-utils', ask vu-scsi in a guest and tell it what to do.

They are the host's own: User-mode Linux mounts its file system.
"""

import os

from lib import Image, Skip, VhostUser, main
from scsi import host
from vsock_tools import inside

SIZE = 64  # MiB
PERSIST = "sg_persist --no-inquiry"
KEY = "--param-rk=abc --prout-type=3"
# Programs with their arguments; what they say; and their exit status, where it is not 0.
COMMANDS = {
    "learns_what_the_disk_is": [
        ("sg_inq", ["[SPC-4]", "CmdQue=1", "Vendor identification: libvu", "device type: disk",
                    "Product identification: vu-scsi disk", "Unit serial number: tools"]),
        ("sg_vpd", ["[sv]", "[sn]", "[di]", "[bl]", "[bdc]", "[lbpv]"]),
        ("sg_vpd --page=sn", ["Unit serial number: tools"]),
        ("sg_vpd --page=di", ["vendor specific: tools", "designator type: NAA", "0x3"]),
        ("sg_vpd --page=bl", ["Maximum unmap block descriptor count: 64",
                              "Maximum write same length: 0x20000 blocks"]),
        ("sg_vpd --page=bdc", ["Non-rotating medium"]),
        ("sg_vpd --page=lbpv", ["Unmap command supported (LBPU): 1", "thin provisioned"]),
        ("sg_vpd --page=0xee", ["fetching VPD page failed"], 83),
        ("sg_readcap", [f"Number of logical blocks={SIZE * 2048}", f"Device size: {SIZE << 20} bytes"]),
        ("sg_readcap --16", ["lbpme=1, lbprz=1", "physical block length=4096 bytes", f"{SIZE << 20} bytes"]),
        ("sg_modes --all", ["WP=0, DpoFua=1", "Caching", "Control", "Informational exceptions control"]),
        ("sg_luns", ["Lun list length = 8", "0000000000000000"]),
        ("sg_opcodes", ["Read(10)", "Write same(16)", "Compare and write", "Unmap",
                        "Persistent reserve out, register and move"]),
        ("sg_opcodes --opcode=0x28", ["Command is supported [conforming to SCSI standard]"]),
        ("sg_opcodes --tmf", ["Abort task", "Logical unit reset", "I_T nexus reset"]),
    ],
    "reserves_the_disk": [
        (f"{PERSIST} --report-capabilities", ["Type Mask Valid(TMV): 1", "Exclusive Access: 1"]),
        (f"{PERSIST} --out --register --param-sark=abc", []),
        (f"{PERSIST} --read-keys", ["1 registered reservation key", "0xabc"]),
        (f"{PERSIST} --out --reserve --param-rk=def --prout-type=3", ["Reservation conflict"], 24),
        (f"{PERSIST} --out --reserve {KEY}", []),
        (f"{PERSIST} --read-reservation", ["Key=0xabc", "type: Exclusive Access"]),
        (f"{PERSIST} --out --release {KEY}", []),
        (f"{PERSIST} --read-reservation", ["there is NO reservation held"]),
        (f"{PERSIST} --out --clear --param-rk=abc", []),
        (f"{PERSIST} --read-keys", ["there are NO registered reservation keys"]),
    ],
    "stops_and_starts_the_disk": [
        ("sg_turs", []),
        ("sg_start --stop", []),
        ("sg_turs", ["device not ready"], 2),
        ("sg_requests", ["Sense key: Not Ready", "initializing command required"]),
        ("sg_start --start", []),
        ("sg_turs", []),
        ("sg_requests", ["Sense key: No Sense"]),
        ("sg_sync", []),
        ("sg_sync --16 --lba=1 --count=7", []),
    ],
    "resets_the_disk": [
        ("sg_reset --no-escalate --device", []),
        ("sg_requests", ["Sense key: Unit Attention", "Bus device reset function occurred"]),
        ("sg_turs", []),
    ],
}
LAST = SIZE * 2048 - 1
# On a disk whose first MiB is ones: how many of its blocks there are zeroes afterwards is third.
WRITES = [
    ("sg_verify --lba=0 --count=128", [], 0),
    (f"sg_verify --lba={LAST} --count=2", ["LBA out of range"], 0, 22),
    ("sg_write_same --lba=64 --num=16 --in=/dev/zero", [], 16),
    ("sg_write_same --10 --unmap --lba=128 --num=16 --in=/dev/zero", [], 32),
    ("sg_write_same --16 --unmap --lba=256 --num=16 --in=/dev/zero", [], 48),
    ("sg_unmap --force --lba=512 --num=1024", [], 48 + 1024),
    (f"sg_unmap --force --lba={LAST} --num=2", ["LBA out of range"], 48 + 1024, 22),
]


def tool(guest, command, wanted, status=0):
    said = inside(guest, f"{command} /dev/sda 2>&1; echo \"status $?.\"").text
    missing = [text for text in [*wanted, f"status {status}."] if text not in said]
    assert not missing, f"{command} does not say {missing}: {said}"


def zeroes(image):
    """How many blocks of its first MiB are zeroes."""
    with open(image.path, "rb") as file:
        data = file.read(1 << 20)
    return sum(not any(data[i:i + 512]) for i in range(0, len(data), 512))


def test_uml(t):
    if not os.path.exists("/usr/bin/sg_inq"):
        raise Skip("no sg_inq: run scripts/setup uml (Debian package sg3-utils)")
    image = Image(t.path("image"), SIZE)
    with open(image.path, "r+b") as file:
        file.write(b"\1" * (1 << 20))
    with host(t, f"0:0,file={image.path},serial=tools", options=["--config-space"]) as scsi, \
         t.uml(VhostUser("scsi", scsi)) as guest:
        guest.until("[ -b /dev/sda ]")
        guest.run("mount -t hostfs -o ro none /mnt && mount -t devtmpfs dev /mnt/dev")
        for what, commands in COMMANDS.items():
            with t.check(f"uml_sg3_utils_{what}"):
                for command in commands:
                    tool(guest, *command)
        with t.check("uml_sg3_utils_writes_and_unmaps_what_it_names_and_no_more"):
            for command, wanted, cleared, *status in WRITES:
                tool(guest, command, wanted, *status)
                assert zeroes(image) == cleared, f"{command}: {zeroes(image)} blocks instead of {cleared}"


if __name__ == "__main__":
    main()
