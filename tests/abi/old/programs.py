#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Do programs of the first headers run with today's library?  programs.py LIBVU.SO VU_CHECK COMPILER..."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
# Its arguments, and what it is for vu-check.
PROGRAMS = {
    'minimal-rng': (['--socket-path={}'], ['--type=rng']),
    'thread-pool': (['--socket-path={}'], ['--type=rng']),
    'two-queues': (['--socket-path={}'], []),
    'embed-epoll': (['{}'], ['--type=rng']),
}


def compile_with(compiler, library, source, out):
    subprocess.run([*compiler, '-I', HERE / 'include', source, '-o', out, library, '-pthread', '-Wl,-z,now'], check=True)


def names():
    """What these headers declare."""
    text = '\n'.join(p.read_text() for p in sorted((HERE / 'include/libvu').glob('*.h')))
    text = re.sub(r'^\s*#.*$', '', re.sub(r'/\*.*?\*/', '', text, flags=re.S), flags=re.M)
    return sorted(set(re.findall(r'\bVU_API\b[^;(]*?\b(vu_\w+)\s*\(', text)))


def every_name(compiler, library, env, tmp):
    """A program that has the address of each: it starts, with names of the node that they came in."""
    source, out = tmp / 'names.c', tmp / 'names'
    rows = ''.join(f'\t(void (*)(void)){name},\n' for name in names())
    source.write_text(f'#include <libvu/vu.h>\nvoid (*volatile const all[])(void) = {{\n{rows}}};\n'
                      'int main(void) { return !all[0]; }\n')
    compile_with(compiler, library, source, out)
    subprocess.run([out], env=env, check=True)
    return out


def versions(program):
    said = subprocess.run(['readelf', '--wide', '--version-info', program], stdout=subprocess.PIPE, text=True, check=True)
    return set(re.findall(r'Name: (LIBVU\w*[\d.]*)', said.stdout))


def main(library, vu_check, *compiler):
    env = os.environ | {'LD_LIBRARY_PATH': str(pathlib.Path(library).resolve().parent)}
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        tmp = pathlib.Path(folder)
        if (found := versions(every_name(compiler, library, env, tmp))) != {'LIBVU_0.1'}:
            wrong.append(f'names of {found}')
        for name, (arguments, kind) in PROGRAMS.items():
            compile_with(compiler, library, HERE / f'{name}.c', tmp / name)
            socket = str(tmp / 's')
            done = subprocess.run([vu_check, f'--socket-path={socket}', *kind, '--timeout=300', '--', tmp / name,
                                   *(word.format(socket) for word in arguments)], env=env, text=True, check=False,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            passed = re.search(r'^(\d+) passed, 0 failed', done.stdout, re.M)
            if done.returncode or not passed or int(passed[1]) < 20:
                failed = ''.join(line + '\n' for line in done.stdout.splitlines() if line.startswith('fail'))
                wrong.append(f'{name}: {failed or done.stdout[-2000:]}{done.stderr[-2000:]}')
            else:
                print(f'{name}: {passed[1]} checks')
    print('\n'.join(wrong) or f'{len(names())} functions')
    return bool(wrong)


sys.exit(main(*sys.argv[1:]))
