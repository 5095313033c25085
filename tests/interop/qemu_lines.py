#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Do the command lines of docs/qemu.md work?  qemu_lines.py PAGE FOLDER-OF-PROGRAMS

Of each block the back-end is started, and then QEMU, whose guest does not run: by then the device has what it
needs of its back-end.
"""
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'kit'))
from child import HANG, Child, wait_until_it_listens  # noqa: E402


def blocks(text):
    """(back-end's line, QEMU's) of each code block that has both."""
    for block in re.findall(r'(?:^    .*\n)+', text, re.M):
        lines = block.replace('\\\n', ' ').splitlines()
        found = [shlex.split(line) for line in lines]
        if found and found[0][0].startswith('vu-'):
            yield found[0], found[1]


def try_block(backend, qemu, programs, tmp):
    """What is wrong, or why it was not tried, or None."""
    here = [word.replace('/run/vm', str(tmp)).replace('/srv/vm', str(tmp / 'share')) for word in backend]
    with Child([programs / here[0], *here[1:]], stderr=subprocess.DEVNULL) as child:
        wait_until_it_listens(next(w.split('=')[1] for w in here if w.startswith('--socket-path=')), child)
        argv = [word.replace('/run/vm', str(tmp)) for word in qemu]
        device = re.search(r'(?:vhost-user-\w+|virtio-net)-pci', ' '.join(argv))[0]
        done = subprocess.run([*argv, '-S', '-accel', 'tcg', '-display', 'none', '-nodefaults', '-monitor', 'stdio'],
                              input='info qtree\nquit\n', text=True, timeout=HANG, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if 'not a valid device model' in done.stderr:
        return f'{device}: not in this QEMU'
    if done.returncode or f'dev: {device}' not in done.stdout:
        raise SystemExit(f'{shlex.join(argv)}\nstatus {done.returncode}\n{done.stdout[-400:]}\n{done.stderr}')
    print(f'{backend[0]}: {device} is there')
    return None


def main(page, programs):
    programs, tried, left = pathlib.Path(programs), 0, []
    if not shutil.which('qemu-system-x86_64'):
        print('skipped: no qemu-system-x86_64 (scripts/setup qemu)')
        return 77
    for backend, qemu in blocks(pathlib.Path(page).read_text()):
        if not (programs / backend[0]).exists():
            left.append(f'{backend[0]}: not built')
            continue
        with tempfile.TemporaryDirectory() as tmp:
            (pathlib.Path(tmp) / 'share').mkdir()
            why = try_block(backend, qemu, programs, pathlib.Path(tmp))
        left += [why] if why else []
        tried += not why
    print('\n'.join(left))
    if not tried:
        print('skipped: QEMU has none of the devices')
    return 0 if tried else 77


sys.exit(main(*sys.argv[1:]))
