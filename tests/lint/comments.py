#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Every public name says what it is, since when, and on which thread.  comments.py ROOT"""
import pathlib
import re
import sys

from sources import sources

ITEM = re.compile(r'^(?:VU_API\b[^;{]*?\b(vu_\w+)\s*\(|typedef\b[^;]*?\(\*(vu_\w+)\)|'
                  r'(struct|enum) (vu_\w+) \{)', re.M)


def main(root):
    bad = seen = 0
    for path in (p for p in sources(root) if p.match('include/libvu/*.h*')):
        text = path.read_text()
        for item in ITEM.finditer(text):
            name, needs = item[1] or item[2] or item[4], ['Since: ']
            if not item[3]:
                needs.append('Thread: ')
            before = text[:item.start()]
            comment = before[before.rfind('/**'):] if before.endswith(' */\n') else ''
            if not re.match(r'/\*\*\n \* (typedef |struct |enum )?%s\b' % name, comment):
                print(f'{path.name}: {name}: no comment of its own above it')
                bad = 1
            for need in needs:
                if need not in comment:
                    print(f'{path.name}: {name}: its comment has no "{need.strip()}"')
                    bad = 1
            seen += 1
    return bad or seen < 50


sys.exit(main(pathlib.Path(sys.argv[1])))
