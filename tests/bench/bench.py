#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs all benchmarks, each beside its peers, and writes results.json and results.md.

bench.py BUILD OUT [PART...]     PART: counts, ring, disk, blocking, many (default: all)

The programs to be compared take turns of short runs.  What counts is the ratio of their medians; beside it
stands how far the turns spread, and how busy the machine was with other things.
"""
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'kit'))
from bench_backends import CACHED, Backend, backends  # noqa: E402
from bench_stats import Others, Priority, ratio  # noqa: E402
from bench_tables import markdown  # noqa: E402
from child import HANG, Child  # noqa: E402

SHAPES = ('one', 'blk3', 'indirect3', 'chain18')
PEERS = ('ring', 'peer_dpdk', 'peer_libvhost', 'peer_libvhost_batched')
FORMAT = 4  # of results.json
RING_ROUNDS = ('--seconds', '0.004', '--rounds', '12')  # short enough for some to be left alone by others
TURNS = int(os.environ.get('VU_BENCH_TURNS', 8))
DEPTHS = (1, 32, 128)
NULL_CO, URING, CONTRIB = 'qemu-storage-daemon null-co', 'qemu-storage-daemon io_uring', 'contrib vhost-user-blk'
PAIRS = (('vu-blk null', NULL_CO), ('vu-blk memory', NULL_CO), (CACHED, NULL_CO), ('vu-blk file', URING),
         ('vu-blk file', 'qemu-storage-daemon native'), ('vu-blk file', 'qemu-storage-daemon threads'),
         ('vu-blk file', CONTRIB))
BEGAN = float(os.environ.get('VU_BEGAN', time.time()))


def say(text):
    print(f'[{int(time.time() - BEGAN):4}s] {text}', flush=True)


def run_json(command, **options):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False, **options)
    if done.returncode == 77:
        return None
    if done.returncode:
        raise RuntimeError(f'{" ".join(map(str, command))}: status {done.returncode}: {done.stderr[-600:]}')
    return json.loads(done.stdout)


def programs(build):
    return [p for p in (build / 'tests/bench' / name for name in PEERS) if p.exists()]


def counts(build):
    found = {}
    for program in programs(build):
        say(f'counting instructions: {program.name}')
        result = run_json([program, '--count', '--json'])
        if result:
            found[result['library']] = result['counts']
    return found


def ring_cases():
    for shape in SHAPES:
        for batch in (32, 1):
            for more in ([], ['--no-event-idx'], ['--packed'], ['--two-cpus'], ['--packed', '--two-cpus']):
                yield ['--use', '--shape', shape, '--batch', str(batch), *more]


def ring_programs(build):
    """Ours with passes of a group, and with a loop of the device's own, which is how others are used."""
    for program in programs(build):
        yield program, []
        if program.name == 'ring':
            yield program, ['--loop']


def ring(build, others):
    """The median of each case and library in ns, and how many times ours is faster."""
    turns = {}
    cases = list(ring_cases())
    for number, case in enumerate(cases):
        if number % 8 == 0:
            say(f'ring times: case {number} of {len(cases)}')
            others.look()
        for _ in range((TURNS + 1) // 2):
            for program, way in ring_programs(build):
                result = run_json([program, *way, *case, '--json', *RING_ROUNDS])
                if result:  # not every library has packed rings
                    turns.setdefault((*case,), {}).setdefault(result['library'], []).append(result)
    found = []
    for case, libraries in turns.items():
        value = 'total_ns' if '--two-cpus' in case else 'ns'
        ours = [r[value] for r in libraries['libvu']]
        for name, results in libraries.items():
            times = [r[value] for r in results]
            median = {n: statistics.median(r[n] for r in results) for n in ('ns', 'total_ns')}
            found.append({**results[0], **median, 'turns': times,
                          'ours': None if name == 'libvu' else ratio(ours, times)})
    return found


def bench(build, backend, *options):
    command = [build / 'tools/vu-bench', '--socket-path', backend.socket, '--json', '--cpu', '0', *options]
    return run_json(command, timeout=HANG)


def summary(name, depth, turns):
    """All turns of a back-end at a depth."""
    latency = {p: statistics.median(t['latency_ns'][p] for t in turns) for p in turns[0]['latency_ns']}
    return {'backend': name, 'qd': depth, 'iops': statistics.median(t['iops'] for t in turns),
            'iops_best_5ms': max(t['iops_best_5ms'] for t in turns), 'latency_ns': latency,
            'turns': [{'p50_ns': t['latency_ns']['p50'], 'iops': t['iops'],
                       'iops_best_5ms': t['iops_best_5ms']} for t in turns]}


def compare(found, depth):
    """By median latency: at a given depth, rate and latency are one thing, and this is the steadier measure."""
    times = {r['backend']: [t['p50_ns'] for t in r['turns']] for r in found if r['qd'] == depth}
    return [{'of': a, 'to': b, 'qd': depth, **ratio(times[a], times[b])}
            for a, b in PAIRS if a in times and b in times]


def disk_turn(build, folder, name, command, depth):
    with Backend(folder, command, cpu=1) as backend:
        size = '16M' if name == CACHED else '256M'
        if 'memory' in name:  # real pages, as a file's
            bench(build, backend, '--verify', '--size', size, '--time', '0.01')
        return bench(build, backend, '--qd', depth, '--size', size, '--time', '0.2')


def disk(build, folder, available, others):
    """Polling front-end on one CPU, back-end on the other."""
    found, ratios = [], []
    for depth in DEPTHS:
        turns = {name: [] for name in available}
        for turn in range(TURNS):
            if turn % 4 == 0:
                say(f'disks, queue depth {depth}: turn {turn + 1} of {TURNS}')
            others.look()
            for name, command in available.items():
                turns[name].append(disk_turn(build, folder, name, command, depth))
        found += [summary(name, depth, results) for name, results in turns.items()]
        ratios += compare(found, depth)
    return {'results': found, 'ratios': ratios}


def count_with_perf(pid, out):
    """The kernel counts, which costs next to nothing.  Stopped by SIGINT; how to read the count."""
    command = ['perf', 'stat', '-x,', '-e', 'raw_syscalls:sys_enter', '-o', str(out), '-p', str(pid)]
    return Child(command, stderr=subprocess.DEVNULL), r'^(\d+),.*raw_syscalls:sys_enter'


def count_with_strace(pid, out):
    command = ['strace', '-f', '-c', '-o', str(out), '-p', str(pid)]
    return Child(command, stderr=subprocess.DEVNULL), r'^100\.00\s+\S+\s+\S*\s+(\d+)\s.*total$'


def system_calls(build, folder, command, count):
    """Of the back-end, for each request; None if that cannot be counted so."""
    out = pathlib.Path(folder, 'count')
    out.write_text('')
    with Backend(folder, command, cpu=1) as backend:
        counter, pattern = count(backend.process.pid, out)
        time.sleep(0.5)
        result = bench(build, backend, '--blocking', '--qd', '1', '--size', '256M', '--time', '0.5')
        counter.send_signal(signal.SIGINT)
        counter.wait(HANG)
    total = re.search(pattern, out.read_text(), re.M)
    return int(total[1]) / result['finished'] if total and result['finished'] > 100 else None


def blocking(build, folder, available, others):
    """Front-end and back-end both sleep; queue depth 1."""
    turns = {name: [] for name in available}
    for turn in range(TURNS):
        say(f'disks, blocking: turn {turn + 1} of {TURNS}')
        others.look()
        for name, command in available.items():
            with Backend(folder, command, cpu=1) as backend:
                turns[name].append(bench(build, backend, '--blocking', '--qd', '1', '--size', '256M',
                                         '--time', '0.2'))
    found = [summary(name, 1, results) for name, results in turns.items()]
    for result in found:
        say(f'counting system calls: {result["backend"]}')
        result['system_calls'] = None
        for tool, count in (('perf', count_with_perf), ('strace', count_with_strace)):
            if result['system_calls'] is None and shutil.which(tool):
                result['system_calls'] = system_calls(build, folder, available[result['backend']], count)
    return {'results': found, 'ratios': compare(found, 1)}


def many_count(program, devices, folder):
    if not shutil.which('valgrind'):
        return None
    out = pathlib.Path(folder, f'many{devices}')
    done = subprocess.run(['valgrind', '--tool=callgrind', '--toggle-collect=many_serve_some',
                           f'--callgrind-out-file={out}', program, f'--devices={devices}', '--serve'],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        return None
    requests = json.loads(done.stdout)['requests']
    for path in pathlib.Path(folder).glob(f'many{devices}.*'):
        text = path.read_text()
        if 'Client Request: requests' in text:
            return int(re.search(r'^summary: (\d+)', text, re.M)[1]) / requests
    return None


def many(build, folder):
    program = build / 'tests/bench/many'
    found = []
    for devices in (1, 100, 1000):
        say(f'{devices} devices in one process')
        idle = run_json([program, f'--devices={devices}', '--idle'])
        serve = run_json([program, f'--devices={devices}', '--serve'])
        if idle and serve:
            found.append({**idle, **serve, 'instructions': many_count(program, devices, folder)})
    return found


def machine():
    cpu = re.search(r'model name\s*: (.*)', pathlib.Path('/proc/cpuinfo').read_text())
    return {'cpu': cpu[1] if cpu else platform.machine(), 'cpus': os.cpu_count(),
            'kernel': platform.release(), 'load': os.getloadavg()[0]}


def main(build, out, *parts):
    build, out = pathlib.Path(build).resolve(), pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    parts = parts or ('counts', 'ring', 'disk', 'blocking', 'many')
    stored = out / 'results.json'
    # Parts that are not run this time stay as they are.
    results = json.loads(stored.read_text()) if stored.exists() else {}
    if results.get('format') != FORMAT:
        results = {'format': FORMAT, 'busy': {}}
    results['machine'] = machine()
    with tempfile.TemporaryDirectory(dir='/dev/shm') as folder:
        available, missing = backends(build, folder)
        results['missing'] = missing + [f'{name} was not built' for name in PEERS
                                        if not (build / 'tests/bench' / name).exists()]
        for part in parts:
            others, priority = Others(), Priority()
            others.look()
            with priority:
                if part == 'counts':
                    results[part] = counts(build)
                elif part == 'ring':
                    results[part] = ring(build, others)
                elif part == 'many':
                    results[part] = many(build, folder)
                elif part == 'disk':
                    results[part] = disk(build, folder, available[True], others)
                else:
                    chosen = {n: c for n, c in available[False].items() if n != CACHED}
                    results[part] = blocking(build, folder, chosen, others)
            others.look()
            results['busy'][part] = {'share': others.share(), 'priority': priority.granted}
            stored.write_text(json.dumps(results, indent=1) + '\n')
    text = markdown(results)
    (out / 'results.md').write_text(text)
    print('\n' + text)
    say(f'wrote {out}/results.json and {out}/results.md')


main(*sys.argv[1:])
