#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What vu-scsi answers, compared field by field with the kernel's scsi_debug, in one guest."""

from lib import VhostUser, main

BLOCK = 512
# name: (CDB, bytes that may come, data for the device, bytes of the answer that must be the same)
# In the order in which they are asked: some change what is there.
ONE, TWO = "11" * BLOCK, "22" * BLOCK
ASKED = {
    "ready": ("00" * 6, 0, "", []),
    "ready_again": ("00" * 6, 0, "", []),
    "inquiry": ("120000006000", 96, "", [0, 1]),
    "inquiry_short": ("120000000500", 5, "", [0, 1]),
    "inquiry_page_without_evpd": ("120080006000", 96, "", []),
    "inquiry_pages": ("12010000ff00", 255, "", [0, 1]),
    "inquiry_no_such_page": ("1201ee00ff00", 255, "", []),
    "inquiry_limits": ("1201b000ff00", 255, "", [0, 1, 2, 3]),
    "inquiry_characteristics": ("1201b100ff00", 255, "", [0, 1, 2, 3, 4, 5]),
    "request_sense": ("030000001200", 18, "", [0, 2, 7, 12, 13]),
    "request_sense_descriptors": ("030100001200", 18, "", [0, 1, 2, 3, 7]),
    "report_luns": ("a00000000000000001000000", 256, "", range(16)),
    "report_luns_short": ("a00000000000000000080000", 8, "", range(8)),
    "report_luns_of_no_kind": ("a00077000000000001000000", 256, "", []),
    "capacity_10": ("25" + "00" * 9, 8, "", range(8)),
    "capacity_16": ("9e10" + "00" * 11 + "200000", 32, "", range(12)),
    "no_such_service_action": ("9e1f" + "00" * 11 + "200000", 32, "", []),
    "no_such_command": ("ee" + "00" * 5, 0, "", []),
    "mode_caching": ("1a080800ff00", 255, "", [3, 4 + 1]),
    "mode_caching_changeable": ("1a084800ff00", 255, "", [3, 4 + 1]),
    "mode_control": ("1a080a00ff00", 255, "", [3, 4 + 1]),
    "mode_control_10": ("5a080a0000000000ff00", 255, "", [6, 7, 8 + 1]),
    "mode_exceptions": ("1a081c00ff00", 255, "", [3, 4 + 1]),
    "mode_block_descriptor": ("1a000a00ff00", 255, "", [3, *range(8, 12)]),
    "mode_no_such_page": ("1a083e00ff00", 255, "", []),
    "mode_no_such_subpage": ("1a080a42ff00", 255, "", []),
    "mode_select_without_pages": ("1510000004" + "00", 0, "00000000", []),
    "mode_select_no_such_page": ("151000000c" + "00", 0, "00000000" + "3e06" + "00" * 6, []),
    "mode_select_no_page_format": ("150000000400", 0, "00000000", []),
    "read_nothing": ("28" + "00" * 9, 0, "", []),
    "read_10": ("28000000000500000100", BLOCK, "", range(BLOCK)),
    "read_16": ("8800000000000000000500000001" + "0000", BLOCK, "", range(BLOCK)),
    "read_12": ("a80000000005000000010000", BLOCK, "", range(BLOCK)),
    "read_6": ("080000050100", BLOCK, "", range(BLOCK)),
    "read_beyond": ("280000ffffff00000100", BLOCK, "", []),
    "read_across_the_end": ("280000003fff00000200", 2 * BLOCK, "", []),
    "read_16_far_beyond": ("8800ffffffffffffffff000000010000", BLOCK, "", []),
    "write_10": ("2a000000000500000100", 0, ONE, []),
    "written": ("28000000000500000100", BLOCK, "", range(BLOCK)),
    "write_16_fua": ("8a08000000000000000600000001" + "0000", 0, TWO, []),
    "written_16": ("28000000000600000100", BLOCK, "", range(BLOCK)),
    "write_beyond": ("2a0000ffffff00000100", 0, ONE, []),
    "verify": ("2f000000000500000100", 0, "", []),
    "verify_the_same": ("2f020000000500000100", 0, ONE, []),
    "verify_another": ("2f020000000500000100", 0, TWO, []),
    "verify_beyond": ("2f000000ffff0000ff00", 0, "", []),
    "compare_and_write": ("89000000000000000005000000010000", 0, ONE + TWO, []),
    "compare_and_write_another": ("89000000000000000005000000010000", 0, ONE + TWO, []),
    "compared_and_written": ("28000000000500000100", BLOCK, "", range(BLOCK)),
    "write_same_10": ("41000000000800000400", 0, ONE, []),
    "write_same_16": ("9300000000000000000800000002" + "0000", 0, TWO, []),
    "written_the_same": ("28000000000800000400", 4 * BLOCK, "", range(4 * BLOCK)),
    "write_same_beyond": ("41000000fff000000400", 0, ONE, []),
    "synchronize_10": ("35" + "00" * 9, 0, "", []),
    "synchronize_16": ("91" + "00" * 15, 0, "", []),
    "prefetch_10": ("34000000000500000100", 0, "", []),
    "prefetch_beyond": ("340000ffffff00000100", 0, "", []),
    "one_command": ("a30c0128000000000040" + "0000", 64, "", [1, 2, 3, 4]),
    "no_one_command": ("a30c01ee000000000040" + "0000", 64, "", [1]),
    "one_command_without_its_action": ("a30c019e000000000040" + "0000", 64, "", []),
    "one_command_with_its_action": ("a30c039e001000000040" + "0000", 64, "", [1, 2, 3, 4]),
    "stop": ("1b0000000000", 0, "", []),
    "ready_when_stopped": ("00" * 6, 0, "", []),
    "read_when_stopped": ("28000000000500000100", BLOCK, "", []),
    "inquiry_when_stopped": ("120000006000", 96, "", [0, 1]),
    "start": ("1b0000000100", 0, "", []),
    "ready_when_started": ("00" * 6, 0, "", []),
}
# Where the two differ on purpose, and why.
DIFFERENT = {
    "inquiry_page_without_evpd": "SPC-4 6.4.1 has an error; scsi_debug does not look",
    "mode_select_without_pages": "a list without pages changes nothing; scsi_debug wants one",
    "mode_select_no_page_format": "byte 1 is wrong, which scsi_debug calls byte 4",
    "read_16_far_beyond": "the sum of address and length overflows in scsi_debug",
    "verify_beyond": "scsi_debug does not look where no bytes are compared",
}


def ask(guest, disk):
    """{name: (status, sense, data)}"""
    lines = [f"{name} {cdb} {room} {data}" for name, (cdb, room, data, _) in ASKED.items()]
    script = "cat >/tmp/questions <<'END'\n" + "\n".join(lines) + "\nEND\n"
    text = guest.run(f"{script}guest-scsi-ask /dev/{disk} </tmp/questions").text
    answers = {}
    for line in text.split("\n"):
        name, status, sense, data = line.split()
        answers[name] = (int(status, 16), *[bytes.fromhex(x) if x != "-" else b"" for x in (sense, data)])
    return answers


def told(sense):
    """Of fixed format: key, code and qualifier, is there a wrong byte, of the CDB, and which it is."""
    if len(sense) < 18:
        return None
    return sense[2] & 15, sense[12], sense[13], sense[15] & 0xc0, int.from_bytes(sense[16:18], "big")


def compare(ours, theirs):
    """What differs, a line each."""
    for name, (_, _, _, same) in ASKED.items():
        if name in DIFFERENT:
            continue
        (status, sense, data), (status2, sense2, data2) = ours[name], theirs[name]
        if (status, told(sense)) != (status2, told(sense2)):
            yield f"{name}: {status:#x} {told(sense)}, scsi_debug has {status2:#x} {told(sense2)}"
        for at in same:
            got, wanted = data[at:at + 1].hex(), data2[at:at + 1].hex()
            if got != wanted:
                yield f"{name}: byte {at} is {got or 'not there'}, scsi_debug's is {wanted or 'not there'}"


def test_qemu(t):
    """Of 8 MiB each, as scsi_debug's disk is."""
    with t.backend("vu-scsi", "--lun=0:0,memory=8M") as scsi, \
         t.qemu(VhostUser("scsi", scsi, num_queues=1), modules=["scsi_debug"],
                programs=[t.program("guest-scsi-ask")]) as guest:
        guest.until("[ -b /dev/sda ] && [ -b /dev/sdb ]")
        vendors = [guest.run(f"cat /sys/block/{disk}/device/vendor").text.strip() for disk in ("sda", "sdb")]
        disks = dict(zip(vendors, ("sda", "sdb")))
        answers = {vendor: ask(guest, disk) for vendor, disk in disks.items()}
        with t.check(f"{t.name}_answers_are_those_of_scsi_debug"):
            wrong = list(compare(answers["libvu"], answers["Linux"]))
            assert not wrong, "\n".join(["", *wrong])


if __name__ == "__main__":
    main()
