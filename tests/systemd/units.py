#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Are the units what systemd takes, and rates well?  units.py FOLDER PROGRAM...

Without a systemd that runs: systemd-analyze reads the files.
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

# What systemd calls SAFE ends at 2.0, OK at 4.9.  A device that shares a directory acts for its users.
WORST = {'vu-fs': 3.5}
WORST_OF_ALL = 2.0


def analyze(*argv):
    done = subprocess.run(['systemd-analyze', *argv], text=True, check=False, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout


def wrong_with(folder, program, tmp):
    units = [folder / f'{program.name}@.{kind}' for kind in ('service', 'socket')]
    for unit in units:
        # It looks for the program, which is in the build folder.
        text = re.sub(rf'^ExecStart=\S*/{program.name}', f'ExecStart={program}', unit.read_text(), flags=re.M)
        (tmp / unit.name).write_text(text)
    here = [str(tmp / unit.name) for unit in units]
    status, said = analyze('verify', '--man=no', *here)
    if status or said.strip():
        yield f'verify: {said}'
    status, said = analyze('security', '--offline=1', here[0])
    rating = re.search(r'Overall exposure level for .*: ([\d.]+)', said)
    if not rating:
        yield f'security: {said}'
    elif float(rating[1]) > WORST.get(program.name, WORST_OF_ALL):
        yield f'security: {rating[1]}, at most {WORST.get(program.name, WORST_OF_ALL)} was expected\n{said}'
    else:
        print(f'{program.name}: {rating[1]}')


def main(folder, *programs):
    if not shutil.which('systemd-analyze'):
        print('skipped: no systemd-analyze (Debian: systemd)')
        return 77
    if not pathlib.Path('/bin/kill').exists():
        print('skipped: no /bin/kill, by which units reload (Debian: procps)')
        return 77
    if '--offline' not in analyze('--help')[1]:
        print('skipped: this systemd-analyze rates no files')
        return 77
    with tempfile.TemporaryDirectory() as tmp:
        wrong = [f'{p}: {line}' for p in programs
                 for line in wrong_with(pathlib.Path(folder), pathlib.Path(p).absolute(), pathlib.Path(tmp))]
    print('\n'.join(wrong))
    return bool(wrong) or len(programs) < 3


sys.exit(main(*sys.argv[1:]))
