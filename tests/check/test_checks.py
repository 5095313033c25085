#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-check against a back-end that is honest, and against one that has a fault for each check: no
check is empty.   test_checks.py VU_CHECK [NAME...]"""

import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from moves import has_userfaultfd

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kit"))
from child import Child, wait_until_it_listens  # noqa: E402

BACKEND = str(pathlib.Path(__file__).with_name("backend.py"))
VU_CHECK = sys.argv.pop(1)
PATIENCE = 600
# For answers that a fault keeps from coming; an honest back-end is waited for as long as it takes.
FAULTY, HONEST = ("3", "30"), "120"
# Those for which the back-end has to have two queues, or be a network card.
OTHER_TYPES = {"queues-apart": "fs", "net-receive": "net", "hostile-net-header": "net"}


def is_possible(name):
    """Some machines have no userfaultfd."""
    return not name.startswith("postcopy-") or has_userfaultfd()


def vu_check(*options):
    done = subprocess.run([VU_CHECK, f"--timeout={HONEST}", *options], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=PATIENCE, check=False)
    return done.returncode, done.stdout, done.stderr


def listed():
    return json.loads(vu_check("--list", "--json")[1])


def report(folder, kind, faults, *options):
    """What vu-check says of the back-end, started by it."""
    path = os.path.join(folder, "-".join([kind, *faults]) + ".sock")
    status, out, err = vu_check(f"--socket-path={path}", f"--type={kind}", "--json", *options, "--",
                                sys.executable, BACKEND, path, kind, *faults)
    assert out, err
    return status, json.loads(out)


def results(said):
    return {check["name"]: (check["result"], check["saw"]) for check in said["checks"]}


class Checks(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def test_an_honest_back_end_passes_every_check(self):
        status, said = report(self.folder.name, "blk", [])
        wrong = {n: r for n, r in results(said).items()
                 if r[0] != "pass" and n not in OTHER_TYPES and is_possible(n)}
        self.assertEqual((status, wrong), (0, {}))
        for name, kind in OTHER_TYPES.items():
            status, said = report(self.folder.name, kind, [], f"--only={name}")
            self.assertEqual((status, results(said)[name][0]), (0, "pass"))

    def fault(self, name):
        kind = OTHER_TYPES.get(name, "blk")
        # one that dies keeps nobody waiting; a slow machine may not get as far as the fault at first
        for patience in (HONEST,) if name.startswith("hostile-") else FAULTY:
            status, said = report(self.folder.name, kind, [name], f"--only={name}", f"--timeout={patience}")
            result, saw = results(said)[name]
            if "before the check began" not in saw:
                break
        return name, status, (result, saw)

    def test_each_check_fails_on_a_back_end_with_its_fault(self):
        names = [check["name"] for check in listed() if is_possible(check["name"])]
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            for name, status, (result, saw) in pool.map(self.fault, names):
                with self.subTest(name):
                    self.assertEqual((status, result), (1, "fail"), saw)
                    self.assertNotIn("before the check began", saw)
                    if name.startswith("hostile-"):
                        self.assertIn("was killed by signal 9", saw)

    def test_each_check_names_its_section_and_what_has_to_be(self):
        checks = listed()
        self.assertGreater(len(checks), 80)
        self.assertEqual(len({check["name"] for check in checks}), len(checks))
        for check in checks:
            self.assertRegex(check["section"], r"^(vhost-user, |virtio 1\.3 §)\S")
            self.assertGreater(len(check["what"]), 5)

    def test_what_a_back_end_does_not_offer_is_no_failure(self):
        # Without VERSION_1 and packed rings there is no type that vu-check could ask.
        path = os.path.join(self.folder.name, "untyped.sock")
        status, out, _ = vu_check(f"--socket-path={path}", "--json", "--only=split-request,get-features",
                                  "--", sys.executable, BACKEND, path, "blk")
        said = json.loads(out)
        self.assertEqual(status, 0)
        self.assertEqual(results(said)["split-request"][0], "not offered")
        self.assertIn("--type", results(said)["split-request"][1])
        self.assertEqual((said["passed"], said["failed"], said["not_offered"]), (1, 0, 1))

    def test_tap_counts_what_is_skipped(self):
        path = os.path.join(self.folder.name, "tap.sock")
        status, out, _ = vu_check(f"--socket-path={path}", "--tap",
                                  "--only=split-request,get-features,version-1", "--",
                                  sys.executable, BACKEND, path, "blk", "version-1")
        lines = [line for line in out.splitlines() if not line.startswith("#")]
        self.assertEqual(status, 1)
        self.assertEqual(lines, ["TAP version 13", "1..3", "ok 1 - get-features", "not ok 2 - version-1",
                                 "ok 3 - split-request # SKIP not offered: a request: --type says "
                                 "which the back-end would serve"])

    def test_wrong_usage_and_nobody_there_end_with_2(self):
        path = os.path.join(self.folder.name, "nobody.sock")
        for options, line in (
                ([], "--socket-path is missing"),
                ([f"--socket-path={path}", "--type=toaster"], "cannot be 'toaster': blk, net"),
                ([f"--socket-path={path}", "--only=nothing"], "names that --list shows"),
                ([f"--socket-path={path}", "--timeout=never"], "seconds, more than 0"),
                (["--socket-path="], "the path of a socket"),
                ([f"--socket-path={path}", "--only=get-features,spilt-*"], "cannot be 'spilt-*'"),
                ([f"--socket-path={path}", "--skip=spilt-*"], "cannot be 'spilt-*'"),
                ([f"--socket-path={path}", "--skip=*"], "leaves no check"),
                ([f"--socket-path={path}", "odd"], "a command comes behind"),
                ([f"--socket-path={path}", "--timeout=0.05"], "No such file"),
                ([f"--socket-path={path}", "--", "/bin/false"], "ends at once")):
            with self.subTest(line):
                status, _, err = vu_check(*options)
                self.assertEqual(status, 2)
                self.assertIn(line, err)

    def test_names_are_chosen_by_patterns(self):
        status, out, _ = vu_check("--list", "--only=split-*,get-features", "--skip=split-w*")
        names = [line.split()[0] for line in out.splitlines()]
        self.assertEqual(status, 0)
        self.assertIn("get-features", names)
        self.assertIn("split-request", names)
        self.assertNotIn("split-wrap", names)
        self.assertNotIn("packed-request", names)

    def test_whatever_a_socket_is_called_the_report_is_json(self):
        path = os.fsencode(self.folder.name) + b'/"\\\n\x01\xff\xc3\xa9\xed\xa0\x80.sock'
        done = subprocess.run([VU_CHECK, b"--socket-path=" + path, "--json", "--only=get-features",
                               f"--timeout={HONEST}", "--", sys.executable, BACKEND, path, "blk"], stdout=subprocess.PIPE,
                              timeout=PATIENCE, check=False)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(json.loads(done.stdout.decode())["back_end"].rpartition("/")[2],
                         '"\\\n\x01\ufffd\xe9\ufffd\ufffd\ufffd.sock')

    def test_a_back_end_of_somebody_elses_that_falls_silent_is_not_waited_for_in_every_check(self):
        path = os.path.join(self.folder.name, "silent.sock")
        with Child([sys.executable, BACKEND, path, "blk", "falls-silent"]) as backend:
            wait_until_it_listens(path, backend)
            status, out, err = vu_check(f"--socket-path={path}", "--json", "--timeout=3")
        assert out, err
        saw = [check["saw"] for check in json.loads(out)["checks"]]
        self.assertEqual(status, 1)
        self.assertGreaterEqual(sum("not tried" in each for each in saw), len(saw) - 5, saw)

    def test_a_back_end_that_cuts_memory_off_fails_the_check_alone(self):
        status, said = report(self.folder.name, "blk", ["cuts-memory"], "--only=split-request")
        self.assertEqual(status, 1)
        self.assertIn("cut off memory", results(said)["split-request"][1])

    def test_a_back_end_that_still_listens_while_it_ends_is_started_again(self):
        names = "get-features,features-same,split-request,reconnect"
        status, said = report(self.folder.name, "rng", ["ends"], f"--only={names}")
        self.assertEqual(status, 0, said)
        self.assertEqual([results(said)[name][0] for name in names.split(",")], ["pass"] * 4, said)

    def test_a_back_end_that_turns_away_who_comes_next_at_once_is_asked_again(self):
        status, said = report(self.folder.name, "rng", ["turns-away"], "--skip=postcopy-*")
        self.assertEqual((status, said["failed"]), (0, 0), said)
        self.assertGreater(said["passed"], 80)

    def test_a_command_has_the_signals_of_any_program(self):
        ignored = "grep SigIgn /proc/self/status >&2"
        done = subprocess.run([VU_CHECK, f"--socket-path={self.folder.name}/s", "--", "sh", "-c", ignored],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=PATIENCE, check=False)
        self.assertEqual({int(line.split()[1], 16) & 1 << 12 for line in done.stderr.splitlines()
                          if line.startswith("SigIgn")}, {0})

    def test_a_report_that_cannot_be_written_is_no_success(self):
        for options in (["--list"], ["--list", "--json"]):
            with open("/dev/full", "w", encoding="ascii") as full:
                done = subprocess.run([VU_CHECK, *options], stdout=full, stderr=subprocess.PIPE,
                                      text=True, timeout=PATIENCE, check=False)
            self.assertEqual(done.returncode, 2)
            self.assertIn("could not be written", done.stderr)

    def test_tap_says_that_nobody_is_there(self):
        status, out, _ = vu_check(f"--socket-path={self.folder.name}/nobody", "--tap", "--timeout=0.05")
        self.assertEqual(status, 2)
        self.assertIn("Bail out!", out)


if __name__ == "__main__":
    unittest.main()
