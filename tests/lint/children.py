#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Tests start programs by tests/kit, which lets none outlive them, and wait for a listener, not for its file.
children.py ROOT"""
import pathlib
import re
import sys

from sources import sources

RULES = (
    ('.c', re.compile(r'(?<![\w.])(?:v?fork|posix_spawnp?)\((?=\)|&)'), 'child_fork() of kit/child.h'),
    ('.py', re.compile(r'\bsubprocess\.Pop' r'en\('), 'Child of kit/child.py'),
    ('.py', re.compile(r'\bwhile not .*\bexists\('), 'wait_until_it_listens() of kit/child.py'))
# It is these; guests have ways of their own, whose programs end likewise; one measures a process and a copy of it.
APART = ('tests/kit/', 'tests/guest/', 'tests/bench/many.c')


def main(root):
    bad = seen = 0
    for path in sources(root):
        name = str(path.relative_to(root))
        if not name.startswith('tests/') or name.startswith(APART):
            continue
        text = path.read_text(errors='replace')
        kind = '.py' if re.match('#!.*python', text) else path.suffix
        seen += 1
        for number, line in enumerate(text.splitlines(), 1):
            for suffix, words, instead in RULES:
                if kind == suffix and words.search(line):
                    print(f'{name}:{number}: {line.strip()}: take {instead}')
                    bad = 1
    return bad or seen < 20


sys.exit(main(pathlib.Path(sys.argv[1])))
