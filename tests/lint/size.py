#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The size budget: files of at most 500 lines, functions of at most 80.  size.py ROOT"""
import pathlib
import sys

from sources import sources

FILE_MAX, FUNCTION_MAX = 500, 80
FOLDERS = ('include', 'lib', 'examples', 'tools', 'tests', 'bindings', 'scripts', 'abi', 'testing')


def functions(lines):
    """(first line, length) of each body: clang-format puts its braces into column 0."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == '{':
            start = number
        elif line.startswith('}') and start:
            yield start, number - start + 1
            start = None


def main(root):
    bad = seen = 0
    for path in sources(root):
        if (path.suffix not in {'.c', '.h', '.py', '.sh', '.rs', ''} or
                path.relative_to(root).parts[0] not in FOLDERS):
            continue
        lines = path.read_text(errors='replace').splitlines()
        name = path.relative_to(root)
        seen += 1
        if len(lines) > FILE_MAX:
            print(f'{name}: {len(lines)} lines, more than {FILE_MAX}')
            bad = 1
        for start, length in functions(lines) if path.suffix in ('.c', '.h') else ():
            if length > FUNCTION_MAX:
                print(f'{name}:{start}: a function of {length} lines, more than {FUNCTION_MAX}')
                bad = 1
    return bad or seen < 20


sys.exit(main(pathlib.Path(sys.argv[1])))
