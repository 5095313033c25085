#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""vu-bench against real back-ends, briefly.  test-vu-bench.py VU-BENCH CASE [VU-BLK]

Looks at what it reports, never at how fast that was.
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import xml.dom.minidom

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'kit'))
from child import HANG, Child, wait_until_it_listens  # noqa: E402

NULL_CO = ['--blockdev', 'driver=null-co,node-name=n,size=1073741824,read-zeroes=off']
EXPORT = 'type=vhost-user-blk,id=e,node-name=n,addr.type=unix,writable=on,addr.path='


def skip(why):
    print('skipped: ' + why)
    sys.exit(77)


class Backend:
    """A back-end process with its socket; ended on leaving."""

    def __init__(self, folder, command):
        self.socket = pathlib.Path(folder, 'socket')
        self.log = pathlib.Path(folder, 'log').open('w+', encoding='utf-8')
        command = [word.replace('SOCKET', str(self.socket)) for word in command]
        self.process = Child(command, stdout=self.log, stderr=self.log)

    def __enter__(self):
        try:
            wait_until_it_listens(self.socket, self.process)
        except AssertionError:
            self.log.seek(0)
            print(self.log.read())
            raise
        return self

    def __exit__(self, *_):
        self.process.end()
        self.log.close()


def bench(vu_bench, backend, *options, status=0, seconds=0.2):
    done = subprocess.run([vu_bench, '--socket-path', str(backend.socket), '--time', str(seconds),
                           *options],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=HANG,
                          check=False)
    assert done.returncode == status, f'{options}: status {done.returncode}: {done.stderr}'
    return done


def check_result(result, **wanted):
    for name, value in wanted.items():
        assert result[name] == value, f'{name} is {result[name]}, not {value}'
    assert result['requests'] == result['reads'] + result['writes'] > 0
    assert result['errors'] == result['mismatches'] == 0
    assert 0.15 < result['seconds'] < 60
    assert abs(result['iops'] * result['seconds'] / result['requests'] - 1) < 0.01
    assert abs(result['mb_s'] * 1e6 / result['bs'] / result['iops'] - 1) < 0.01
    latency = result['latency_ns']
    steps = [latency[n] for n in ('min', 'p50', 'p90', 'p99', 'p99_9', 'p99_99', 'max')]
    assert steps == sorted(steps) and steps[0] > 0, latency
    assert latency['min'] <= latency['mean'] <= latency['max']


def measure(vu_bench, backend, *options, **wanted):
    for seconds in (0.2, 2, 20):  # on a busy machine the back-end may not run at all for a while
        result = json.loads(bench(vu_bench, backend, '--json', *options, seconds=seconds).stdout)
        if result['requests']:
            break
    check_result(result, **wanted)


def check_memory(vu_bench, backend, folder):
    measure(vu_bench, backend, rw='randread', qd=32, bs=4096, writes=0)
    measure(vu_bench, backend, '--blocking', '--qd', '1', blocking=True, qd=1)
    measure(vu_bench, backend, '--packed', '--queues', '2', '--qd', '4', packed=True, queues=2)
    measure(vu_bench, backend, '--indirect', '--rw', 'randwrite', '--bs', '16K', '--size', '4M', reads=0,
            bs=16384)
    for rw in ('randread', 'randwrite', 'mix'):
        done = bench(vu_bench, backend, '--json', '--verify', '--size', '4M', '--rw', rw)
        result = json.loads(done.stdout)
        check_result(result, verify=True, rw=rw)
        assert result['verified'] > 0, 'nothing was verified'
    plot = pathlib.Path(folder, 'latency.svg')
    text = bench(vu_bench, backend, '--plot', str(plot)).stdout
    assert 'IOPS' in text and 'p99.9' in text
    svg = xml.dom.minidom.parse(str(plot)).documentElement
    assert svg.tagName == 'svg' and len(svg.getElementsByTagName('rect')) > 2
    done = bench(vu_bench, backend, '--bs', '1000', status=2)
    assert '--bs' in done.stderr
    bench(vu_bench, backend, '--queues', '200', status=1)
    done = bench(vu_bench, backend, '--qd', '512', status=1)  # more than the back-end's longest ring
    assert 'rings of 2048 entries did not start: a lower --qd' in done.stderr, done.stderr
    measure(vu_bench, backend, '--qd', '512', '--indirect', qd=512)
    done = bench(vu_bench, backend, '--time', '2.2')
    assert 1 <= done.stderr.count('IOPS') <= 2, f'a line each second: {done.stderr}'


def check_null(vu_bench, backend, _):
    measure(vu_bench, backend)
    done = bench(vu_bench, backend, '--verify', '--size', '4M', status=1)
    assert 'wrong data' in done.stderr
    backend.process.end()
    bench(vu_bench, backend, status=1)


def check_qsd(vu_bench, backend, _):
    measure(vu_bench, backend)
    measure(vu_bench, backend, '--blocking', '--qd', '1', blocking=True)


def main(vu_bench, case, vu_blk=None):
    with tempfile.TemporaryDirectory() as folder:
        if case == 'qsd':
            if not shutil.which('qemu-storage-daemon'):
                skip('qemu-storage-daemon was not found')
            command = ['qemu-storage-daemon', *NULL_CO, '--export', EXPORT + 'SOCKET']
        else:
            command = [vu_blk, '--socket-path=SOCKET', '--backend=' + case, '--num-queues=2']
        check = {'qsd': check_qsd, 'memory': check_memory, 'null': check_null}[case]
        with Backend(folder, command) as backend:
            check(vu_bench, backend, folder)


main(*sys.argv[1:])
