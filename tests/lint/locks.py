#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Each lock and condition variable is initialised in one place: as many in a folder as it declares.  locks.py ROOT"""
import collections
import pathlib
import re
import sys

from sources import sources

KINDS = ('mutex', 'cond')


def main(root):
    declared, made = collections.Counter(), collections.Counter()
    for path in sources(root):
        folder = path.relative_to(root).parts[0]
        if folder not in ('lib', 'examples', 'bindings', 'tools') or path.suffix not in ('.c', '.h'):
            continue
        text = path.read_text()
        place = path.relative_to(root).parent
        for kind in KINDS:
            # A member, or several: no parameter and no pointer.
            for names in re.findall(rf'^[ \t]+pthread_{kind}_t (\w+(?:, \w+)*);', text, re.M):
                declared[place, kind] += names.count(',') + 1
            made[place, kind] += len(re.findall(rf'\bpthread_{kind}_init\(&', text))
    bad = 0
    for place, kind in sorted(declared.keys() | made.keys()):
        if declared[place, kind] != made[place, kind]:
            print(f'{place}: {declared[place, kind]} pthread_{kind}_t, '
                  f'initialised in {made[place, kind]} places')
            bad = 1
    return bad or sum(made.values()) < 10


sys.exit(main(pathlib.Path(sys.argv[1])))
