#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Compile each public header alone: headers.py STD ROOT VERSION_H COMPILER..., or headers.py plain.

STD is c99, c11 or c++17.  "plain" reads the headers the way a binding generator does.
"""
import pathlib
import re
import subprocess
import sys

FLAGS = ['-Wall', '-Wextra', '-Wundef', '-pedantic', '-Werror']


def headers(root, version_h):
    return [p.name for p in sorted((root / 'include/libvu').glob('*.h'))] + [version_h.name]


def includes(root, version_h):
    return ['-I', str(root / 'include'), '-I', str(version_h.parent.parent)]


def alone(std, compiler, root, version_h):
    lang = 'c++' if std.startswith('c++') else 'c'
    bad = 0
    for name in headers(root, version_h):
        source = f'#include <libvu/{name}>\n#include <libvu/{name}>\nint main(void);\n'
        done = subprocess.run(compiler + [f'-std={std}', '-x', lang, '-fsyntax-only', *FLAGS,
                                          *includes(root, version_h), '-'],
                              input=source, text=True)
        if done.returncode:
            print(f'{name}: not {std} by itself ({compiler[0]})')
        bad |= done.returncode
    return bad


def preprocessed(compiler, root, version_h):
    """The text of our headers, without what the system's bring in."""
    done = subprocess.run(compiler + ['-E', '-DVU_PLAIN', '-x', 'c', *includes(root, version_h), '-'],
                          input='#include <libvu/unstable.h>\n', text=True, check=True,
                          stdout=subprocess.PIPE)
    ours, lines = False, []
    for line in done.stdout.splitlines():
        m = re.match(r'# \d+ "([^"]*)"', line)
        if m:
            ours = '/libvu/' in m[1]
        elif ours and line.strip():
            lines.append(line)
    return '\n'.join(lines)


def plain(compiler, root, version_h):
    text, bad = preprocessed(compiler, root, version_h), 0
    assert text.count('vu_device_new') == 1, 'the headers were not read'
    for what, pattern in (('attribute', r'__\w+|_Static_assert|_Noreturn'), ('extern', r'\bextern\b'),
                          ('inline function', r'\binline\b|\)\s*\{'), ('va_list', r'va_list|\.\.\.'),
                          ('bit-field', r'\w\s*:\s*\d'),
                          ('struct by value', r'[(,]\s*(const )?struct \w+ \w+\s*[,)]')):
        for found in re.finditer(r'.*(?:%s).*' % pattern, text):
            print(f'{what}: {found[0].strip()}')
            bad = 1
    # Shorthand is for C alone, and empty to others.
    for path in [p for p in (root / 'include/libvu').glob('*.h') if not p.name.startswith('shorthand')]:
        for macro in re.findall(r'#\s*define\s+(\w+)\(', path.read_text()):
            print(f'{path.name}: function-like macro {macro}')
            bad = 1
    try:
        import cffi  # what the Python binding uses; without it the checks above have to do
        cffi.FFI().cdef('struct iovec { void *iov_base; size_t iov_len; };\n' + text)
    except ImportError:
        print('python3-cffi is not installed: not parsed by it')
    return bad


if __name__ == '__main__':
    test, tree, version, cc = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
    args = (cc, pathlib.Path(tree), pathlib.Path(version))
    sys.exit(plain(*args) if test == 'plain' else alone(test, *args))
