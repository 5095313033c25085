#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Our own devices pass every check of vu-check that they offer something for.
test_devices.py VU_CHECK TYPE PROGRAM"""

import json
import os
import subprocess
import sys
import tempfile
import unittest

VU_CHECK, TYPE, PROGRAM = sys.argv[1:4]
del sys.argv[1:4]
# Only a hang takes so long.
PATIENCE = "300"
OPTIONS = {
    "blk": ["--blk-file={0}/disk", "--num-queues=2"],
    "scsi": ["--lun=memory=1M"],
    "fs": ["--shared-dir={0}"],
    "vsock": ["--guest-cid=3", "--uds-path={0}/uds"],
}
# Commands of vu-gpu's have addresses that no IOMMU translates.
IOMMU = [] if TYPE == "gpu" else ["--iommu"]
POSTCOPY = ["--postcopy"] if os.access("/dev/userfaultfd", os.R_OK | os.W_OK) else []
# Some devices lack a configuration space, a second queue, a buffer of two bytes, or requests on queue 0.
MAY_LACK = {"config-read", "config-offset", "config-past-end", "hostile-message-config", "queues-apart",
            "mem-straddle", "inflight-again", "shmem-config"}
# What only some have, and these do not.
OF_STATE = {"state-save", "state-load", "hostile-state-garbage", "hostile-state-direction", "hostile-state-empty"}
OF_IOMMU = {"iommu-ack", "split-iommu-request", "packed-iommu-request", "iommu-invalidate",
            "iommu-read-only", "hostile-iommu-unmapped", "hostile-iommu-message"}
OF_POSTCOPY = {"postcopy-advise", "postcopy-table", "postcopy-slots", "postcopy-fault"}
OF_NET = {"net-receive", "hostile-net-header"}
HAVE_STATE = {"console", "fs"}


class Device(unittest.TestCase):
    def test_it_passes_every_check(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "s")
            with open(os.path.join(folder, "disk"), "wb") as disk:
                disk.truncate(1 << 20)
            options = [option.format(folder) for option in OPTIONS.get(TYPE, [])]
            done = subprocess.run(
                [VU_CHECK, f"--socket-path={path}", f"--type={TYPE}", "--json", f"--timeout={PATIENCE}",
                 "--", PROGRAM, f"--socket-path={path}", *IOMMU, *POSTCOPY, *options],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        said = json.loads(done.stdout)
        lacks = {check["name"] for check in said["checks"] if check["result"] == "not offered"}
        may_lack = MAY_LACK | (set() if TYPE in HAVE_STATE else OF_STATE) | (set() if POSTCOPY else OF_POSTCOPY) | (set() if IOMMU else OF_IOMMU) | (set() if TYPE == "net" else OF_NET)
        self.assertEqual(lacks - may_lack, set())


if __name__ == "__main__":
    unittest.main()
