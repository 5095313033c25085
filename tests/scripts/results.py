#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whatever a test says of its failure, it is one line of the results that scripts/test sums up."""
import json
import subprocess
import sys
import tempfile
import types
from pathlib import Path

TOP = Path(sys.argv[1])
SAYS = "qemu: it ended:\r\n\x1b[31mJob\tfailed.\x1b[0m\r\n\fSee\rthere.\n"


def results(*args):
    return subprocess.run([sys.executable, TOP / "scripts/lib-results.py", *args], stdout=subprocess.PIPE, text=True,
                          check=False)


def of_meson(folder):
    """As meson writes them: a failure, a skip, and parts of both."""
    parts = f"[ RUN      ] one\n{SAYS}[  SKIPPED ] one\n[ RUN      ] two\n[  ERROR   ] --- {SAYS}"
    tests = [{"name": "fails", "result": "FAIL", "stdout": parts, "stderr": "", "duration": 1},
             {"name": "says", "result": "FAIL", "stdout": "", "stderr": SAYS, "duration": 1},
             {"name": "skips", "result": "SKIP", "stdout": SAYS, "duration": 1}]
    log = folder / "log.json"
    log.write_text("\n".join(json.dumps(test) for test in tests), encoding="utf-8")
    return results("here", str(log)).stdout


def of_guests(folder):
    sys.path.insert(0, str(TOP / "tests/guest"))
    from lib.report import Report  # pylint: disable=import-outside-toplevel

    path = folder / "guests"
    report = Report(types.SimpleNamespace(results=str(path), build="build"))
    report.add("fail", "a_guest_does_what_it_should", SAYS)
    report.add("skip", "a_guest_has_it", SAYS)
    with open(path, encoding="utf-8", newline="") as lines:
        return lines.read()


with tempfile.TemporaryDirectory() as name:
    scratch = Path(name)
    for text, failed, skipped in ((of_meson(scratch), 2, 2), (of_guests(scratch), 1, 1)):
        path = scratch / "results"
        path.write_bytes(text.encode())
        said = results("--summary", str(path))
        lines = said.stdout.splitlines()
        assert said.returncode == 1, said
        assert lines[-1] == f"0 passed, {failed} failed, {skipped} skipped", said.stdout
        assert len(lines) == failed + skipped + 3, said.stdout
