#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the built library exports: symbols.py CHECK LIBVU.SO ROOT VERSION_H"""
import pathlib
import re
import subprocess
import sys

# The compiler's own, in every shared object.
TOOLCHAIN = {'completed.0', '__dso_handle', '__TMC_END__', '__bss_start', '_edata', '_end'}
# What a signal handler is led by: it gets no argument of ours (lib/core/guard.c).
NEEDED = {'guard_state'}
WRITABLE = {'.data', '.bss', '.tdata', '.tbss', '.data1', '.sdata', '.sbss'}


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def exported(lib):
    """{name: version} of everything the library defines, but the version nodes themselves."""
    names = {}
    for line in run('nm', '-D', '--defined-only', lib).splitlines():
        _, kind, name = line.split()
        if kind != 'A':
            names[name.split('@')[0]] = name.partition('@@')[2]
    return names


def names_in(path):
    text = re.sub(r'/\*.*?\*/', '', path.read_text(), flags=re.S)
    text = re.sub(r'^\s*#.*$', '', text, flags=re.M)
    return set(re.findall(r'\bVU_API\b[^;(]*?\b(\w+)\s*\(', text))


def declared(root, version_h):
    paths = sorted((root / 'include/libvu').glob('*.h')) + [pathlib.Path(version_h)]
    return set().union(*map(names_in, paths))


def listed(path):
    return {line for line in path.read_text().split('\n') if line and not line.startswith('#')}


def same(what_a, a, what_b, b):
    for name in sorted(a - b):
        print(f'{name}: in {what_a}, not in {what_b}')
    for name in sorted(b - a):
        print(f'{name}: in {what_b}, not in {what_a}')
    return a == b


def check_declared(lib, root, version_h):
    names = set(exported(lib))
    ok = same('the library', names, 'the headers', declared(root, version_h))
    return same('the library', names, 'abi/symbols.txt', listed(root / 'abi/symbols.txt')) and ok


def check_taken(lib, root, version_h):
    taken = listed(root / 'abi/taken.txt')
    both = taken & (set(exported(lib)) | declared(root, version_h))
    for name in sorted(both):
        print(f'{name}: libvhost-user has it')
    return not both and len(taken) > 30


def check_versions(lib, root, version_h):
    """In a node for each: that of the release, or the one of what is not promised."""
    unstable = re.findall(r'#include <libvu/(?!vu\.h)(\w+\.h)>',
                          (root / 'include/libvu/unstable.h').read_text())
    loose = set().union(*(names_in(root / 'include/libvu' / name) for name in unstable))
    wrong = {}
    for name, version in exported(lib).items():
        node = 'LIBVU_UNSTABLE' if name in loose else r'LIBVU_0\.\d+'
        if not name.startswith('vu_') or not re.fullmatch(node, version):
            wrong[name] = (version, node)
    for name, (version, node) in sorted(wrong.items()):
        print(f'{name}: version "{version}", expected vu_* and {node}')
    return not wrong and bool(exported(lib)) and bool(loose)


def check_globals(lib, root, version_h):
    ok = True
    for line in run('objdump', '-t', lib).splitlines():
        m = re.match(r'[0-9a-f]+ .{7} (\S+)\s+[0-9a-f]+\s+(?:\.\w+ )?(\S+)$', line)
        if m and m[1] in WRITABLE and m[2] not in TOOLCHAIN | WRITABLE | NEEDED:
            print(f'{m[2]}: writable, in {m[1]}')
            ok = False
    # A stripped library has no such symbols; the sections tell all the same: two pointers, one byte.
    for line in run('objdump', '-h', lib).splitlines():
        field = line.split()
        if len(field) == 7 and field[1] in WRITABLE and int(field[2], 16) > 16:
            print(f'{field[1]}: {int(field[2], 16)} bytes')
            ok = False
    return ok


def check_threads(lib, root, version_h):
    """docs/threads.md has a row for each."""
    section = (root / 'docs/threads.md').read_text().split('\n## Functions\n')[1].split('\n## ')[0]
    rows = '\n'.join(line for line in section.split('\n') if line.startswith('|'))
    return same('the library', set(exported(lib)), 'the table of docs/threads.md',
                set(re.findall(r'`(vu_\w+)`', rows)))


CHECKS = {'declared': check_declared, 'taken': check_taken, 'versions': check_versions,
          'globals': check_globals, 'threads': check_threads}

if __name__ == '__main__':
    sys.exit(not CHECKS[sys.argv[1]](sys.argv[2], pathlib.Path(sys.argv[3]), sys.argv[4]))
