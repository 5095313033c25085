#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Nothing left undone, nothing of one machine; a licence in every source file.  words.py ROOT"""
import pathlib
import re
import sys

from sources import sources

# Put together here, so that this file does not find itself.
WORDS = re.compile('|'.join((r'\bTO' r'DO\b', r'\bFIX' r'ME\b', r'\bXX' r'X\b', r'/wo' r'rk/',
                             r'\.\./sha' r'red', r'/ro' r'ot/')))


def main(root):
    bad = seen = 0
    for path in sources(root):
        try:
            text = path.read_text()
        except (UnicodeDecodeError, OSError):
            continue  # not text
        name, seen = path.relative_to(root), seen + 1
        for number, line in enumerate(text.splitlines(), 1):
            for word in WORDS.findall(line):
                print(f'{name}:{number}: {word}')
                bad = 1
        source = path.suffix in ('.c', '.h', '.py', '.sh', '.in', '.rs') and text
        if source and 'SPDX-License-Identifier: MIT' not in text[:200]:
            print(f'{name}: no SPDX line at its top')
            bad = 1
    return bad or seen < 20


sys.exit(main(pathlib.Path(sys.argv[1])))
