#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The project's own files: what git tracks; without git, all but what building and running leaves.

A folder also has builds of any name, environments and packages of Python's, editors' files: no
business of a lint.  sources.py ROOT prints them, each ended by a NUL.
"""
import os
import pathlib
import subprocess
import sys

NOT_OURS = {'.git', '__pycache__', 'node_modules', 'target', 'build'}
MADE = ('meson-private', 'pyvenv.cfg', 'build.ninja', 'PKG-INFO')  # marks a folder that a tool made


def tracked(root):
    """What git tracks in a tree whose top is root; None where that cannot be told."""
    git = ['git', '-C', root, '-c', 'core.quotePath=off']
    try:
        top = subprocess.run(git + ['rev-parse', '--show-toplevel'], capture_output=True, text=True)
        if top.returncode or not os.path.samefile(top.stdout.rstrip('\n'), root):
            return None
        names = subprocess.run(git + ['ls-files', '-z'], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return [root / name for name in names.stdout.split('\0') if name]


def unpacked(root):
    for folder, folders, names in os.walk(root):
        folders[:] = [d for d in folders if d not in NOT_OURS and not
                      any(os.path.exists(os.path.join(folder, d, mark)) for mark in MADE)]
        yield from (pathlib.Path(folder, n) for n in names
                    if n not in NOT_OURS and not n.endswith(('~', '.orig', '.rej')))


def sources(root):
    files = tracked(root)
    return sorted(p for p in (unpacked(root) if files is None else files) if p.is_file())


if __name__ == '__main__':
    top = pathlib.Path(sys.argv[1])
    sys.stdout.write(''.join(f'{path.relative_to(top)}\0' for path in sources(top)))
