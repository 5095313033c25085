#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Which lines of lib/ never ran, and which of them have no reason.  coverage.py REPORT.json ROOT

The report is gcovr's.  never-run.txt beside this file has the reasons: each is a line that begins with "#",
and below it are lines of code, as "lib/FILE, FUNCTION(): CODE".  Fails for what is not listed, and for what is listed and is not there.
"""
import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent


def listed():
    entries = set()
    for line in (HERE / "never-run.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            entries.add(line)
    return entries


def function_at(source, number):
    """The function that a line (from 1) is in."""
    for line in reversed(source[:number]):
        name = re.match(r"[a-z].*?\b(\w+)\(", line)
        if name and not line.rstrip().endswith(";"):
            return name[1]
    return ""


def entry(path, source, number):
    return f"{path}, {function_at(source, number)}(): {source[number - 1].strip()}"


def never_run(report, root):
    """(place, entry) of each line."""
    for file in json.loads(pathlib.Path(report).read_text())["files"]:
        source = (root / file["file"]).read_text().splitlines()
        for line in file["lines"]:
            number = line["line_number"]
            if line["count"] == 0 and not line.get("gcovr/noncode"):
                yield f"{file['file']}:{number}", entry(file["file"], source, number)


def there_is(wanted, root):
    """Whether the tree still has such a line."""
    path = wanted.partition(",")[0]
    if not (root / path).exists():
        return False
    source = (root / path).read_text().splitlines()
    code = wanted.partition("(): ")[2]
    return any(line.strip() == code and entry(path, source, number) == wanted
               for number, line in enumerate(source, 1))


def main(report, root):
    reasons, found = listed(), list(never_run(report, root))
    gone = [line for line in sorted(reasons) if not there_is(line, root)]
    bare = [(place, line) for place, line in found if line not in reasons]
    for line in gone:
        print(f"never-run.txt: there is no such line any more: {line}")
    for place, line in bare:
        print(f"{place}: never ran, and no reason is listed: {line}")
    print(f"{len(found)} lines never ran, {len(bare)} of them without a reason")
    return 1 if bare or gone else 0


sys.exit(main(sys.argv[1], pathlib.Path(sys.argv[2])))
