#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Instructions of a request against those in counts.json: fails above 5 % more.

check-counts.py RING BUILDTYPE [--update]    RING: the program tests/bench/ring
Counts, never times.  Skips (77) where they would not be comparable.
"""
import json
import pathlib
import shutil
import subprocess
import sys

STORED = pathlib.Path(__file__).with_name('counts.json')
SLACK = 1.05


def skip(why):
    print('skipped: ' + why)
    sys.exit(77)


def measure(ring):
    done = subprocess.run([ring, '--count', '--json'], stdout=subprocess.PIPE, check=False)
    if done.returncode == 77:
        skip('built without <valgrind/callgrind.h>')
    if done.returncode:
        sys.exit(f'{ring} ended with status {done.returncode}')
    return json.loads(done.stdout)


def main(ring, buildtype, *options):
    stored = json.loads(STORED.read_text()) if STORED.exists() else None
    if buildtype != 'release':
        skip(f'a {buildtype} build; counts are of release builds')
    if not shutil.which('valgrind'):
        skip('valgrind was not found')
    found = measure(ring)
    if '--update' in options:
        STORED.write_text(json.dumps(found, indent=1) + '\n')
        print(f'wrote {STORED}')
        return 0
    if stored['compiler'] != found['compiler']:
        skip(f'counts are of compiler {stored["compiler"]}, this is {found["compiler"]}')
    if set(stored['counts']) != set(found['counts']):
        sys.exit('not the cases that are stored: run tests/bench/update-counts')
    bad = 0
    for name, count in found['counts'].items():
        was = stored['counts'][name]
        worse, better = count > was * SLACK, count * SLACK < was
        bad |= worse
        note = '  more than 5 % above' if worse else '  below: update-counts?' if better else ''
        print(f'{name:32} {count:7.1f} stored {was:7.1f}{note}')
    if bad:
        print('If the cost is meant: tests/bench/update-counts BUILD, and say in the commit why.')
    return bad


sys.exit(main(*sys.argv[1:]))
