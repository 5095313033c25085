#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs all benchmarks, each beside its peers, and writes results.json and results.md.

bench.py BUILD OUT [PART...]     PART: counts, ring, disk, blocking, many (default: all)

Times are the best of several short runs, in which the programs to be compared take turns: so they are
comparable with each other on a machine that is not idle, and with nothing else.
"""
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from bench_backends import CACHED, Backend, backends  # noqa: E402
from bench_tables import markdown  # noqa: E402

SHAPES = ('one', 'blk3', 'indirect3', 'chain18')
PEERS = ('ring', 'peer_dpdk', 'peer_libvhost', 'peer_libvhost_batched')
RING_TURNS, DISK_TURNS, BLOCKING_TURNS = 3, 8, 6
DEPTHS = (1, 32, 128)
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
                yield ['--shape', shape, '--batch', str(batch), *more]


def ring(build):
    """The best of each case and library, in ns."""
    best = {}
    cases = list(ring_cases())
    for number, case in enumerate(cases):
        if number % 8 == 0:
            say(f'ring times: case {number} of {len(cases)}')
        for _ in range(RING_TURNS):
            for program in programs(build):
                # With two CPUs, short enough for some rounds to be left alone by others.
                rounds = ['0.004', '16'] if '--two-cpus' in case else ['0.02', '4']
                result = run_json([program, *case, '--json', '--seconds', rounds[0], '--rounds', rounds[1]])
                if not result:
                    continue  # it has no packed rings
                key = (*case, result['library'])
                was = best.setdefault(key, result)
                for name in ('ns', 'total_ns'):
                    was[name] = min(was[name], result[name])
    return list(best.values())


def bench(build, backend, *options):
    command = [build / 'tools/vu-bench', '--socket-path', backend.socket, '--json', '--cpu', '0', *options]
    return run_json(command, timeout=60)


def better(results, key, result):
    was = results.setdefault(key, result)
    was['iops'] = max(was['iops'], result['iops'])
    was['iops_best_5ms'] = max(was['iops_best_5ms'], result['iops_best_5ms'])
    if result['latency_ns']['p50'] < was['latency_ns']['p50']:
        was['latency_ns'] = result['latency_ns']


def disk(build, folder, available):
    """Polling front-end on one CPU, back-end on the other."""
    best = {}
    for depth in DEPTHS:
        for turn in range(DISK_TURNS):
            if turn % 4 == 0:
                say(f'disks, queue depth {depth}: turn {turn + 1} of {DISK_TURNS}')
            for name, command in available.items():
                with Backend(folder, command, cpu=1) as backend:
                    size = '16M' if name == CACHED else '256M'
                    if 'memory' in name:  # real pages, as a file's
                        bench(build, backend, '--verify', '--size', size, '--time', '0.01')
                    better(best, (name, depth), dict(
                        bench(build, backend, '--qd', depth, '--size', size, '--time', '0.2'),
                        backend=name))
    return list(best.values())


def system_calls(build, folder, command):
    """Of the back-end, for each request; None without strace."""
    if not shutil.which('strace'):
        return None
    out = pathlib.Path(folder, 'strace')
    with Backend(folder, command, cpu=1) as backend:
        strace = subprocess.Popen(['strace', '-f', '-c', '-o', str(out), '-p', str(backend.process.pid)],
                                  stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        result = bench(build, backend, '--blocking', '--qd', '1', '--size', '256M', '--time', '0.5')
        strace.terminate()
        strace.wait(10)
    total = re.search(r'^100\.00\s+\S+\s+\S*\s+(\d+)\s.*total$', out.read_text(), re.M)
    return int(total[1]) / result['finished'] if total and result['finished'] > 100 else None


def blocking(build, folder, available):
    """Front-end and back-end both sleep; queue depth 1."""
    best = {}
    for turn in range(BLOCKING_TURNS):
        say(f'disks, blocking: turn {turn + 1} of {BLOCKING_TURNS}')
        for name, command in available.items():
            with Backend(folder, command, cpu=1) as backend:
                better(best, name, dict(
                    bench(build, backend, '--blocking', '--qd', '1', '--size', '256M', '--time', '0.2'),
                    backend=name))
    for name, command in available.items():
        say(f'counting system calls: {name}')
        best[name]['system_calls'] = system_calls(build, folder, command)
    return list(best.values())


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
    results['machine'] = machine()
    with tempfile.TemporaryDirectory(dir='/dev/shm') as folder:
        available, missing = backends(build, folder)
        results['missing'] = missing + [f'{name} was not built' for name in PEERS
                                        if not (build / 'tests/bench' / name).exists()]
        for part in parts:
            if part in ('counts', 'ring'):
                results[part] = {'counts': counts, 'ring': ring}[part](build)
            elif part == 'many':
                results[part] = many(build, folder)
            else:
                polling = part == 'disk'
                chosen = {n: c for n, c in available[polling].items()}
                results[part] = {'disk': disk, 'blocking': blocking}[part](build, folder, chosen)
            stored.write_text(json.dumps(results, indent=1) + '\n')
    text = markdown(results)
    (out / 'results.md').write_text(text)
    print('\n' + text)
    say(f'wrote {out}/results.json and {out}/results.md')


main(*sys.argv[1:])
