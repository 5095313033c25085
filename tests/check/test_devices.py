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
# Some devices lack a configuration space, a second queue, a buffer of two bytes, or requests on queue 0.
MAY_LACK = {"config-read", "config-offset", "config-past-end", "hostile-message-config", "queues-apart",
            "mem-straddle", "inflight-again"}


class Device(unittest.TestCase):
    def test_it_passes_every_check(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "s")
            with open(os.path.join(folder, "disk"), "wb") as disk:
                disk.truncate(1 << 20)
            options = [option.format(folder) for option in OPTIONS.get(TYPE, [])]
            done = subprocess.run(
                [VU_CHECK, f"--socket-path={path}", f"--type={TYPE}", "--json", f"--timeout={PATIENCE}",
                 "--", PROGRAM, f"--socket-path={path}", *options],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        said = json.loads(done.stdout)
        lacks = {check["name"] for check in said["checks"] if check["result"] == "not offered"}
        self.assertEqual(lacks - MAY_LACK, set())


if __name__ == "__main__":
    unittest.main()
