#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What vu-scsi answers, compared field by field with the kernel's scsi_debug, in one guest."""

from lib import VhostUser, main

BLOCK = 512


def all_but(length, *at):
    """Where an answer of so many bytes must be the same: not where a field says what each of the two is or can."""
    return [i for i in range(length) if i not in at]


# name: (CDB, bytes that may come, data for the device, bytes of the answer that must be the same)
# In the order in which they are asked: some change what is there.
ONE, TWO, ZERO = "11" * BLOCK, "22" * BLOCK, "00" * BLOCK
ASKED = {
    "ready": ("00" * 6, 0, "", []),
    "ready_again": ("00" * 6, 0, "", []),
    "inquiry": ("120000006000", 96, "", [0, 1]),
    "inquiry_short": ("120000000500", 5, "", [0, 1]),
    "inquiry_page_without_evpd": ("120080006000", 96, "", []),
    "inquiry_pages": ("12010000ff00", 255, "", [0, 1]),
    "inquiry_no_such_page": ("1201ee00ff00", 255, "", []),
    "inquiry_serial": ("12018000ff00", 255, "", [0, 1, 2]),
    "inquiry_identification": ("12018300ff00", 255, "", [0, 1]),
    "inquiry_provisioning": ("1201b200ff00", 255, "", all_but(8, 6)),
    "inquiry_limits": ("1201b000ff00", 255, "", all_but(64, 4, 5, 7, 10, 14, *range(20, 24), 26, 27, 31, *range(41, 44))),
    "inquiry_characteristics": ("1201b100ff00", 255, "", all_but(64, 7)),
    "request_sense": ("030000001200", 18, "", range(18)),
    "request_sense_descriptors": ("030100001200", 18, "", range(8)),
    "report_luns": ("a00000000000000001000000", 256, "", range(16)),
    "report_luns_short": ("a00000000000000000080000", 8, "", range(8)),
    "report_luns_of_no_kind": ("a00077000000000001000000", 256, "", []),
    "capacity_10": ("25" + "00" * 9, 8, "", range(8)),
    "capacity_16": ("9e10" + "00" * 11 + "200000", 32, "", all_but(32, 13)),
    "no_such_service_action": ("9e1f" + "00" * 11 + "200000", 32, "", []),
    "no_such_command": ("ee" + "00" * 5, 0, "", []),
    "mode_caching": ("1a080800ff00", 255, "", [3, 4 + 1]),
    "mode_caching_changeable": ("1a084800ff00", 255, "", all_but(24, 4)),
    "mode_control": ("1a080a00ff00", 255, "", all_but(16, 4, 6, 7, 9, *range(12, 16))),
    "mode_control_10": ("5a080a0000000000ff00", 255, "", [6, 7, 8 + 1]),
    "mode_exceptions": ("1a081c00ff00", 255, "", range(16)),
    "mode_block_descriptor": ("1a000a00ff00", 255, "", [3, *range(8, 12)]),
    "mode_select_cache_off": ("151000001800", 0, "00000000" + "0812" + "00" * 18, []),
    "ready_after_cache_off": ("00" * 6, 0, "", []),
    "mode_cache_is_off": ("1a080800ff00", 255, "", all_but(24, 4)),
    "mode_select_cache_on_10": ("55100000000000001c00", 0, "00" * 8 + "0812" + "04" + "00" * 17, []),
    "ready_after_cache_on": ("00" * 6, 0, "", []),
    "mode_cache_is_on": ("1a080800ff00", 255, "", all_but(24, 4)),
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
    "write_6": ("0a0000070100", 0, ONE, []),
    "written_6": ("28000000000700000100", BLOCK, "", range(BLOCK)),
    "write_12": ("aa0000000007000000010000", 0, TWO, []),
    "written_12": ("28000000000700000100", BLOCK, "", range(BLOCK)),
    "write_12_beyond": ("aa00ffffff00000000010000", 0, ONE, []),
    "write_beyond": ("2a0000ffffff00000100", 0, ONE, []),
    "verify": ("2f000000000500000100", 0, "", []),
    "verify_the_same": ("2f020000000500000100", 0, ONE, []),
    "verify_another": ("2f020000000500000100", 0, TWO, []),
    "verify_beyond": ("2f000000ffff0000ff00", 0, "", []),
    "verify_16": ("8f000000000000000005000000010000", 0, "", []),
    "verify_16_another": ("8f020000000000000005000000010000", 0, TWO, []),
    "compare_and_write": ("89000000000000000005000000010000", 0, ONE + TWO, []),
    "compare_and_write_another": ("89000000000000000005000000010000", 0, ONE + TWO, []),
    "compared_and_written": ("28000000000500000100", BLOCK, "", range(BLOCK)),
    "write_same_10": ("41000000000800000400", 0, ONE, []),
    "write_same_16": ("9300000000000000000800000002" + "0000", 0, TWO, []),
    "written_the_same": ("28000000000800000400", 4 * BLOCK, "", range(4 * BLOCK)),
    "write_same_beyond": ("41000000fff000000400", 0, ONE, []),
    "write_same_10_unmaps": ("41080000000800000100", 0, ZERO, []),
    "write_same_16_unmaps": ("93080000000000000009000000010000", 0, ZERO, []),
    "unmapped_by_write_same": ("28000000000800000400", 4 * BLOCK, "", range(4 * BLOCK)),
    "unmap": ("42000000000000001800", 0, "00160010" + "00" * 4 + "0000000000000005" + "00000002" + "00" * 4, []),
    "unmapped": ("28000000000500000200", 2 * BLOCK, "", range(2 * BLOCK)),
    "unmap_nothing": ("42" + "00" * 9, 0, "", []),
    "unmap_beyond": ("42000000000000001800", 0, "00160010" + "00" * 4 + "0000000000ffffff" + "00000002" + "00" * 4, []),
    "synchronize_10": ("35" + "00" * 9, 0, "", []),
    "synchronize_16": ("91" + "00" * 15, 0, "", []),
    "prefetch_10": ("34000000000500000100", 0, "", []),
    "prefetch_16": ("90000000000000000005000000010000", 0, "", []),
    "diagnose": ("1d0400000000", 0, "", []),
    "prevent_removal": ("1e0000000000", 0, "", []),
    "functions": ("a30d" + "00" * 6 + "00100000", 16, "", []),
    "prefetch_beyond": ("340000ffffff00000100", 0, "", []),
    "one_command": ("a30c0128000000000040" + "0000", 64, "", all_but(14, 0, 5, 10, 13)),
    "no_one_command": ("a30c01ee000000000040" + "0000", 64, "", range(4)),
    "one_command_without_its_action": ("a30c019e000000000040" + "0000", 64, "", []),
    "one_command_with_its_action": ("a30c039e001000000040" + "0000", 64, "", all_but(20, 0, 19)),
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
    "ready_after_cache_off": "who changed the mode is not told that it changed; scsi_debug tells everybody",
    "ready_after_cache_on": "the same",
    "unmap_nothing": "SBC-3 5.28 has no error for a list of 0 bytes; scsi_debug has",
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


def commands(guest, disk):
    """Operation codes, with service actions where there are any: REPORT SUPPORTED OPERATION CODES."""
    text = guest.run(f"echo all a30c00000000000020000000 8192 | guest-scsi-ask /dev/{disk}").text
    data, found = bytes.fromhex(text.split()[3]), set()
    at, end = 4, 4 + int.from_bytes(data[:4], "big")
    while at < end:
        found.add((data[at], int.from_bytes(data[at + 2:at + 4], "big") if data[at + 5] & 1 else 0))
        at += 20 if data[at + 5] & 2 else 8
    return found


def asked():
    """What of them the questions are."""
    cdbs = [bytes.fromhex(cdb) for cdb, _, _, _ in ASKED.values()]
    return {(cdb[0], cdb[1] & 31 if cdb[0] in (0x9e, 0xa3) else 0) for cdb in cdbs}


def test_qemu(t):
    """Of 8 MiB each, as scsi_debug's disk is."""
    with t.backend("vu-scsi", "--lun=0:0,memory=8M") as scsi, \
         t.qemu(VhostUser("scsi", scsi, num_queues=1), modules=["scsi_debug"],
                programs=[t.program("guest-scsi-ask")]) as guest:
        guest.until("[ -b /dev/sda ] && [ -b /dev/sdb ]")
        guest.run("rmmod scsi_debug && insmod /modules/scsi_debug.ko lbpu=1 lbpws=1 lbpws10=1")
        guest.until("[ $(ls -d /sys/block/sd? | wc -l) = 2 ]")
        names = guest.run("cd /sys/block && echo sd?").text.split()
        disks = {guest.run(f"cat /sys/block/{disk}/device/vendor").text.strip(): disk for disk in names}
        answers = {vendor: ask(guest, disk) for vendor, disk in disks.items()}
        with t.check(f"{t.name}_answers_are_those_of_scsi_debug"):
            wrong = list(compare(answers["libvu"], answers["Linux"]))
            assert not wrong, "\n".join(["", *wrong])
        with t.check(f"{t.name}_each_command_that_both_have_was_asked"):
            both = commands(guest, disks["libvu"]) & commands(guest, disks["Linux"])
            left = [f"{opcode:#x}/{action:#x}" for opcode, action in sorted(both - asked())]
            assert len(both) > 20 and not left, left


if __name__ == "__main__":
    main()
