# SPDX-License-Identifier: MIT
"""Turns meson's test log into lines "pass|fail|skip TAB name TAB reason", as tests/guest writes them.

    lib-results.py LABEL TESTLOG.json >>results
    lib-results.py --summary results          prints failures, skips and the closing line
"""

import json
import re
import sys

OUTCOMES = {"OK": "pass", "EXPECTEDFAIL": "pass", "SKIP": "skip"}


def lines_of(text):
    """A console's lines end in more ways than one, and its columns are not ours."""
    return [line.replace("\t", " ") for line in text.splitlines()]


def reason(test):
    """What the test said last: a skipping test prints why."""
    lines = lines_of(test.get("stdout", "") + "\n" + test.get("stderr", ""))
    lines = [line.strip() for line in lines if line.strip()]
    return lines[-1] if lines else f"no reason given (status {test.get('returncode')})"


def failed_parts(text):
    """Each failed test of a cmocka program's, with what it was told first and where."""
    parts, name = {}, None
    for line in lines_of(text):
        if mark := re.match(r"\[ RUN +\] (\w+)$", line):
            name = mark[1]
        elif name and (mark := re.match(r"\[ +(?:ERROR|LINE) +\] --- (.+)", line)):
            parts.setdefault(name, []).append(mark[1])
    return "; ".join(f"{name}: {' '.join(told[:2])}" for name, told in parts.items())


def skipped_parts(text):
    """Names of what cmocka skipped, and what each printed last before that."""
    said = ""
    for line in lines_of(text):
        mark = re.match(r"\[ *(RUN|SKIPPED) *\] (\w+)$", line)
        if mark and mark[1] == "SKIPPED":
            yield mark[2], said
        said = "" if mark else line.removeprefix("[  SKIP  ]").strip() or said


def convert(label, path):
    with open(path, encoding="utf-8") as log:
        for line in log:
            test = json.loads(line)
            outcome = OUTCOMES.get(test["result"], "fail")
            why = "" if outcome == "pass" else reason(test)
            if outcome == "fail":
                why = failed_parts(test.get("stdout", "") + "\n" + test.get("stderr", "")) or why
            if test["result"] in ("TIMEOUT", "INTERRUPT"):
                why = f"{test['result'].lower()} after {test['duration']:.0f} s"
            print(outcome, f"{label}: {test['name']}", why, sep="\t")
            reasons = {}
            for part, why in skipped_parts(test.get("stdout", "")):
                reasons.setdefault(part, why)  # the list at the end has names only
            for part, why in reasons.items():
                print("skip", f"{label}: {test['name']}: {part}", why, sep="\t")


def summary(path):
    counts = {"pass": 0, "fail": 0, "skip": 0}
    told = {"fail": [], "skip": []}
    with open(path, encoding="utf-8") as results:
        for line in results:
            outcome, name, why = line.rstrip("\n").split("\t")
            counts[outcome] += 1
            if outcome in told:
                told[outcome].append(f"  {name}: {why}")
    for outcome, title in (("skip", "skipped:"), ("fail", "failed:")):
        if told[outcome]:
            print("\n".join([title] + told[outcome]))
    skipped = f", {counts['skip']} skipped" if counts["skip"] else ""
    print(f"{counts['pass']} passed, {counts['fail']} failed{skipped}")
    # nothing run at all is no success
    return 1 if counts["fail"] or not counts["pass"] else 0


if sys.argv[1] == "--summary":
    sys.exit(summary(sys.argv[2]))
convert(sys.argv[1], sys.argv[2])
