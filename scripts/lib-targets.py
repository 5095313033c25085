# SPDX-License-Identifier: MIT
"""Prints what ninja has to build for some suites: the tests' programs, and what these start.

    lib-targets.py BUILD --suite A --suite B --no-suite C ...    as for meson test
"""

import argparse
import json
import os
import sys


def load(build, name):
    with open(f"{build}/meson-info/{name}.json", encoding="utf-8") as file:
        return json.load(file)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--suite", action="append", default=[])
    parser.add_argument("--no-suite", action="append", default=[])
    args = parser.parse_args()
    files = {target["id"]: target["filename"] for target in load(args.build, "intro-targets")}
    wanted = set()
    for test in load(args.build, "intro-tests"):
        suites = {suite.split(":")[-1] for suite in test["suite"]}
        if suites & set(args.suite) and not suites & set(args.no_suite):
            wanted.update(test["depends"])
    top = load(args.build, "meson-info")["directories"]["build"]
    for target in sorted(wanted):
        for path in files[target]:
            print(os.path.relpath(path, top))


sys.exit(main())
