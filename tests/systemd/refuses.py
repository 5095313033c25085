#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A test, with what a unit refuses: refuses.py SERVICE TEST [ARGUMENT...]

Its system calls (SystemCallFilter=), namespaces (RestrictNamespaces=) and memory that becomes program
(MemoryDenyWriteExecute=), as systemd would, for the test and all that it starts, without capabilities.  Without a
systemd that runs: systemd-analyze tells which calls there are in its groups.
"""
import ctypes
import errno
import os
import pathlib
import platform
import re
import shutil
import struct
import subprocess
import sys

# linux/filter.h, linux/seccomp.h, linux/prctl.h, asm-generic/mman-common.h.
LOAD, EQUAL, ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06
ALLOW, ERRNO = 0x7fff0000, 0x00050000
NUMBER_AT, THIRD_AT = 0, 32  # of struct seccomp_data; the third argument's low half
SET_NO_NEW_PRIVS, SET_SECCOMP, MODE_FILTER = 38, 22, 2
PROT_EXEC = 4
SKIPPED = 77
DROP_CAPABILITY, CAPABILITIES = 24, 64
HEADERS = {'x86_64': 'unistd_64.h', 'aarch64': 'unistd.h'}


def numbers():
    """Of this machine's system calls."""
    text = f'#include <asm/{HEADERS[platform.machine()]}>\n'
    said = subprocess.run(['cc', '-E', '-dM', '-'], input=text, text=True, check=True, stdout=subprocess.PIPE).stdout
    return {name: int(number) for name, number in re.findall(r'^#define __NR_(\w+) (\d+)$', said, re.M)}


def calls_of(word):
    if not word.startswith('@'):
        return {word}
    said = subprocess.run(['systemd-analyze', 'syscall-filter', word], text=True, check=True, stdout=subprocess.PIPE).stdout
    lines = [line.strip() for line in said.splitlines()[1:]]
    return set().union(*(calls_of(line) for line in lines if line and not line.startswith('#')))


def settings(service):
    return re.findall(r'^(\w+)=(.*)$', pathlib.Path(service).read_text(), re.M)


def allowed(service):
    calls = set()
    for _, value in (each for each in settings(service) if each[0] == 'SystemCallFilter'):
        words = set().union(*(calls_of(word) for word in value.lstrip('~').split()))
        calls = calls - words if value.startswith('~') else calls | words
    return calls - ({'unshare'} if ('RestrictNamespaces', 'yes') in settings(service) else set())


def program(service):
    known = numbers()
    steps = [(LOAD, 0, 0, NUMBER_AT)]
    for number in sorted(known[name] for name in allowed(service) & known.keys() - {'mprotect'}):
        steps += [(EQUAL, 0, 1, number), (RETURN, 0, 0, ALLOW)]
    steps += [(EQUAL, 1, 0, known['mprotect']), (RETURN, 0, 0, ERRNO | errno.EPERM)]
    if ('MemoryDenyWriteExecute', 'yes') in settings(service):
        steps += [(LOAD, 0, 0, THIRD_AT), (ANY_BIT, 0, 1, PROT_EXEC), (RETURN, 0, 0, ERRNO | errno.EPERM)]
    return steps + [(RETURN, 0, 0, ALLOW)]


def refuse(steps):
    code = ctypes.create_string_buffer(b''.join(struct.pack('=HBBI', *step) for step in steps))
    head = ctypes.create_string_buffer(struct.pack('@HP', len(steps), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    zero = ctypes.c_ulong(0)
    for each in range(CAPABILITIES):
        libc.prctl(DROP_CAPABILITY, ctypes.c_ulong(each), zero, zero, zero)
    if libc.prctl(SET_NO_NEW_PRIVS, ctypes.c_ulong(1), zero, zero, zero) or \
       libc.prctl(SET_SECCOMP, ctypes.c_ulong(MODE_FILTER), head, zero, zero):
        sys.exit(f'seccomp: {os.strerror(ctypes.get_errno())}')


def main(service, *argv):
    if not shutil.which('systemd-analyze') or platform.machine() not in HEADERS:
        print('skipped: no systemd-analyze (Debian: systemd), or another machine than x86-64 and arm64')
        return SKIPPED
    steps = program(service)
    status = subprocess.run(argv, check=False, preexec_fn=lambda: refuse(steps)).returncode
    if status == SKIPPED and not subprocess.run(argv, check=False).returncode:
        print('only the unit refuses what it needs')
        return 1
    return status


sys.exit(main(*sys.argv[1:]))
