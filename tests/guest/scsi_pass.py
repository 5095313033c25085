#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-scsi in a guest, where it passes commands to a disk of the kernel's scsi_debug: tests/scsi/test_pass.c."""

from lib import main

MODULES = ["sg", "scsi_debug"]
TIME = 60  # s


def test_qemu(t):
    with t.qemu(modules=MODULES, memory=384, programs=[t.program("vu-scsi"), t.program("test_scsi_pass"),
                                                     "setpriv"]) as guest:
        guest.until("[ -c /dev/sg0 ]")
        with t.check(f"{t.name}_commands_are_passed_to_a_disk_and_back"):
            guest.run("mkdir -p /var/tmp && VU_SCSI=/host/vu-scsi VU_SG=/dev/sg0 timeout 50 /host/test_scsi_pass 2>&1", TIME)
        with t.check(f"{t.name}_who_may_not_use_the_disk_is_told_so"):
            said = guest.run("chmod 600 /dev/sg0 && /host/setpriv --reuid=1000 --clear-groups /host/vu-scsi --socket-path=/tmp/s --lun=sg=/dev/sg0 2>&1",
                             check=False).text
            assert "this user may not use it" in said, said
        with t.check(f"{t.name}_what_is_no_such_device_is_named"):
            for path, wanted in (("/dev/sg9", "no such device"), ("/dev/null", "takes no SCSI commands")):
                said = guest.run(f"vu-scsi --socket-path=/tmp/s --lun=sg={path} 2>&1", check=False).text
                assert path in said and wanted in said, said


if __name__ == "__main__":
    main()
