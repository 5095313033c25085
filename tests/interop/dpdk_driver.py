#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""DPDK's driver (virtio-user) of vu-net: each packet that it sends is counted there, and comes back once.

dpdk_driver.py VU-NET split|packed: receive buffers that are merged or not, in order or not, two pairs, and an end that takes all.
"""
import pathlib
import socket
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'kit'))
from child import HANG, Child, wait_until_it_listens  # noqa: E402
from testpmd import Testpmd, why_not  # noqa: E402

SKIPPED = 77
ENOUGH = 5000  # packets: a few turns of a queue's
# The last one takes two buffers.  On packed rings DPDK 22.11 spoils packets in pieces whose chain begins in slot 1: there
# virtqueue_enqueue_xmit_packed() leaves flags of the indirect table unwritten, and a readable piece is marked writable.
SIZES = {'split': ['64', '1500,1500'], 'packed': ['64', '1500']}


class Net:
    """vu-net, and what it counted."""

    def __init__(self, program, folder, *options):
        self.path, control = folder / 'socket', folder / 'control'
        self._process = Child([program, f'--socket-path={self.path}', f'--control={control}', *options])
        wait_until_it_listens(self.path, self._process)
        wait_until_it_listens(control, self._process)
        self._control = socket.socket(socket.AF_UNIX)
        self._control.connect(str(control))

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self._control.close()
        self._process.end()
        assert why[0] or self._process.returncode == 0, f'vu-net ended with {self._process.returncode}'

    def counts(self):
        """Of all pairs together, and how many of these sent something."""
        self._control.sendall(b'stats\n')
        said = b''
        while not said.endswith(b'ok\n'):
            piece = self._control.recv(4096)
            assert piece, said
            said += piece
        pairs = [line.split()[2:] for line in said.decode().splitlines() if line.startswith('pair')]
        names = ['sent', 'sent_bytes', 'refused', 'lost', 'received', 'received_bytes', 'missed']
        sums = {name: sum(int(words[2 * i + 1]) for words in pairs) for i, name in enumerate(names)}
        return sums | {'busy': sum(int(words[1]) > 0 for words in pairs)}


def until(condition):
    end = time.monotonic() + HANG
    while not condition():
        assert time.monotonic() < end, 'it does not come'
        time.sleep(0.02)


def round_trips(driver, net, size):
    """Some packets go round and round; then all are caught."""
    before = driver.counts()['RX-packets']
    driver.do('set fwd io', f'set txpkts {size}', 'start tx_first 2')
    until(lambda: driver.counts()['RX-packets'] >= before + ENOUGH or net.counts()['missed'])
    driver.do('stop', 'set fwd rxonly', 'start')
    until(lambda: (c := driver.counts())['RX-packets'] == c['TX-packets'] or net.counts()['missed'])
    driver.do('stop')


def case(program, name, vdev, options, sizes, pairs=1):
    with tempfile.TemporaryDirectory() as folder:
        with Net(program, pathlib.Path(folder), f'--queues={pairs}', *options) as net, \
             Testpmd(f'net_virtio_user0,path={net.path},queues={pairs},cq={int(pairs > 1)},{vdev}',
                     options=[f'--rxq={pairs}', f'--txq={pairs}']) as driver:
            if '--backend=echo' in options:
                for size in sizes:
                    round_trips(driver, net, size)
            else:
                driver.do('set fwd txonly', f'set txpkts {sizes[0]}', 'start')
                until(lambda: driver.counts()['TX-packets'] >= ENOUGH)
                driver.do('stop')
            theirs = driver.counts()
            until(lambda: net.counts()['sent'] >= theirs['TX-packets'])
            ours = net.counts()
    assert not ours['missed'] + ours['lost'] + ours['refused'], ours
    assert (ours['sent'], ours['sent_bytes']) == (theirs['TX-packets'], theirs['TX-bytes']), (ours, theirs)
    assert (ours['received'], ours['received_bytes']) == (theirs['RX-packets'], theirs['RX-bytes']), (ours, theirs)
    assert ours['busy'] == pairs, f'{ours["busy"]} pairs were used'
    print(f'{name}: {ours["sent"]} packets there, {ours["received"]} back', flush=True)


def main(program, layout):
    missing = why_not()
    if missing:
        print(missing)
        sys.exit(SKIPPED)
    packed = f'packed_vq={int(layout == "packed")}'
    echo = ['--backend=echo', '--in-order']
    for order in (0, 1):
        for merged in (0, 1):
            case(program, f'{layout}, in_order={order}, mrg_rxbuf={merged}',
                 f'{packed},in_order={order},mrg_rxbuf={merged}', echo, SIZES[layout][:1 + merged])
    case(program, f'{layout}, polled', packed, ['--backend=echo', '--poll-us=1000'], SIZES[layout])
    case(program, f'{layout}, two pairs', packed, ['--backend=echo'], ['64'], pairs=2)
    case(program, f'{layout}, to nobody', packed, ['--backend=null'], ['64'])


main(*sys.argv[1:])
