#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How many system calls may a device make on x86-64?  calls.py ROOT [PAGE]

Counted in the tables from which the filters are made.  With a page: does its table say the same?
"""
import pathlib
import re
import sys

DEVICES = ('fs', 'gpu', 'scsi', 'snd', 'vsock')
LIMITED = {'SYS_clone', 'SYS_unshare', 'SYS_ioctl'}  # allowed with some arguments only


def names(text):
    return set(re.findall(r'\bSYS_\w+', text))


def tables(text):
    """{name: calls} of each array of calls."""
    return {name: names(body) for name, body in
            re.findall(r'static const int (\w*calls)\[\] = \{(.*?)\};', text, re.S)}


def counts(root):
    common = tables((root / 'examples/common/sandbox_rights.c').read_text())
    assert len(common['common_calls']) > 30, 'the table of common calls is elsewhere now'
    yield 'all of them', len(common['common_calls'] | LIMITED)
    for device in DEVICES:
        text = ''.join(p.read_text() for p in sorted((root / 'examples' / device).glob('*.c')))
        own = set().union(*tables(text).values())
        assert own, f'vu-{device} has no table of calls'
        network = common['network_calls'] if re.search(r'\.network = true', text) else set()
        yield f'vu-{device}', len(common['common_calls'] | LIMITED | own | network)


def main(root, page=None):
    rows = [f'| {name} | {n} |' for name, n in counts(pathlib.Path(root))]
    if not page:
        print('\n'.join(rows))
        return 0
    said = pathlib.Path(page).read_text()
    wrong = [row for row in rows if row not in said]
    print('\n'.join(f'{page} does not say: {row}' for row in wrong) or f'{len(rows)} rows')
    return bool(wrong)


sys.exit(main(*sys.argv[1:]))
