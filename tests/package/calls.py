#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How many system calls may a device make on x86-64?  calls.py ROOT [PAGE]

Counted in the tables from which the filters are made.  With a page: does its table say the same?
"""
import pathlib
import re
import sys

DEVICES = ('blk', 'can', 'console', 'fs', 'gpio', 'gpu', 'i2c', 'input', 'net', 'rng', 'rtc', 'scmi', 'scsi', 'snd', 'spi', 'vsock')
# Allowed with some arguments only.
LIMITED = {'SYS_clone', 'SYS_unshare', 'SYS_ioctl', 'SYS_socket', 'SYS_tgkill', 'SYS_prlimit64'}


def names(text):
    return set(re.findall(r'\bSYS_\w+', text))


def tables(text):
    """{name: calls} of each array of calls."""
    for name, calls in re.findall(r'#define (\w+_CALLS)\b((?:.*\\\n)*.*)', text):
        text = text.replace(name, calls)
    return {name: names(body) for name, body in
            re.findall(r'static const int (\w*(?:calls|_renderer))\[\] = \{(.*?)\};', text, re.S)}


def counts(root):
    common = tables((root / 'examples/common/sandbox_rights.c').read_text())
    looking = tables((root / 'examples/common/shut_in.c').read_text())['looking_calls']
    every = common['common_calls'] | LIMITED
    assert len(every) > 70 and looking, 'the table of common calls is elsewhere now'
    yield 'all of them', len(every)
    for device in DEVICES:
        text = ''.join(p.read_text() for p in sorted((root / 'examples' / device).glob('*.c')))
        own = set().union(*(calls for name, calls in tables(text).items() if name.endswith('calls')))
        if 'shut_in_enter(' in text:
            own |= looking
        assert own, f'vu-{device} has no table of calls'
        # What --connect and --postcopy add is not counted.
        network = common['network_calls'] if re.search(r'\.network = true|needs\.connects = true', text) else set()
        yield f'vu-{device}', len(every | own | network)
        if device == 'gpu':
            own = tables(text)
            for kind, more, refused in (('', 'renderer', 'renderer'), (' with `--render-node`', 'renderer', 'node_renderer'),
                                        (' with `--venus`', 'venus_renderer', 'venus_renderer')):
                yield f"vu-gpu's renderer{kind}", len((every | own[f'more_of_{more}']) - own[f'refused_to_{refused}'])


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
