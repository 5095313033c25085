#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Names of system calls, from the C library's header.  sandbox-names.py OUTPUT COMPILER..."""
import re
import subprocess
import sys


def main(output, *compiler):
    text = subprocess.run([*compiler, '-E', '-dM', '-x', 'c', '-'], input='#include <sys/syscall.h>\n',
                          stdout=subprocess.PIPE, check=True, text=True).stdout
    names = re.findall(r'^#define SYS_(\w+) __NR_\w+$', text, re.M)
    assert len(names) > 200, 'sys/syscall.h has no names'
    with open(output, 'w', encoding='utf-8') as file:
        file.writelines(f'{{SYS_{name}, "{name}"}},\n' for name in sorted(names))


main(*sys.argv[1:])
