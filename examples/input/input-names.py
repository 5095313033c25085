#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Names of event codes, from the kernel's header.  input-names.py OUTPUT COMPILER..."""
import re
import subprocess
import sys

# what a name begins with: the type of the codes (input.h has those that are none of the kernel's)
KINDS = {'KEY': 'EV_KEY', 'BTN': 'EV_KEY', 'REL': 'EV_REL', 'ABS': 'EV_ABS', 'MSC': 'EV_MSC',
         'SW': 'EV_SW', 'LED': 'EV_LED', 'SND': 'EV_SND', 'REP': 'EV_REP', 'SYN': 'EV_SYN',
         'FF': 'EV_FF', 'EV': 'INPUT_TYPE_NAME', 'INPUT_PROP': 'INPUT_PROP_NAME',
         'BUS': 'INPUT_BUS_NAME'}
DEFINE = re.compile(r'^#define ((%s)_\w+)\s+(\S+)' % '|'.join(KINDS), re.M)
# limits, not codes
LIMITS = re.compile(r'_(MAX|CNT|MIN|MIN_INTERESTING|VERSION)$|^FF_(STATUS_|MAX_)')


def main(output, *compiler):
    text = subprocess.run([*compiler, '-E', '-dD', '-x', 'c', '-'], input='#include <linux/input.h>\n',
                          stdout=subprocess.PIPE, check=True, text=True).stdout
    found = [m for m in DEFINE.finditer(text) if not LIMITS.search(m[1])]
    # The first of a code is the one to print.  The kernel names a range before its first member
    # (BTN_MOUSE, BTN_LEFT), and the names that a code had once by the new one.
    names = [m for m in reversed(found) if m[3][0].isdigit()]
    names += [m for m in found if not m[3][0].isdigit()]
    assert len(names) > 400, 'linux/input.h has no names'
    with open(output, 'w', encoding='utf-8') as file:
        file.writelines(f'{{"{m[1]}", {KINDS[m[2]]}, {m[1]}}},\n' for m in names)


main(*sys.argv[1:])
