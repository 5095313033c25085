#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The examples of bindings beside the C ones: requests a second, and CPU time of the back-end.

python_devices.py BUILD     prints the table of docs/bindings.md and docs/python.md, as Markdown, of one run

What is Rust's has been built before, by tests/rust/cargo.py ROOT BUILD release; what is not there has no row.

Disks are driven by vu-bench (4 KiB random reads, it polls), rng by pylibvu's own test driver, which is
Python and slower than the C device: compare its CPU times rather than its rates.  The best 5 ms of
several turns, in which the programs alternate; front-end and back-end have a CPU each.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from bench_backends import Backend  # noqa: E402

TURNS, SECONDS, WINDOW = 4, 0.5, 0.005
BATCHED = """
import os, sys, pylibvu
class FastRng(pylibvu.Device):
    device_id = 4
    @pylibvu.queue(0, batch=True)
    def requests(self, reqs):
        for req in reqs:
            req.write(os.urandom(min(req.writable_len, 65536)))
        reqs[0].queue.complete(reqs)
pylibvu.serve(FastRng(), sys.argv[1])
"""


def cpu_seconds(process):
    """Of all its threads, also of those that have ended: clock_getcpuclockid(3)."""
    return time.clock_gettime(~process.pid << 3 | 2)


def rng_turn(backend, depth):
    """(requests a second, CPU microseconds a request) with `depth` requests at a time."""
    from pylibvu import testing

    with testing.connect(str(backend.socket)) as peer:
        vq = peer.queue(0, size=256)
        began, cpu, done, rate = time.monotonic(), cpu_seconds(backend.process), 0, 0.0
        while time.monotonic() - began < SECONDS:
            start, count = time.monotonic(), 0
            while time.monotonic() - start < WINDOW:
                added = [vq.add(writable=64) for _ in range(depth)]
                vq.kick()
                for one in added:
                    vq.wait(one)
                count += depth
            done, rate = done + count, max(rate, count / (time.monotonic() - start))
        return rate, (cpu_seconds(backend.process) - cpu) / done * 1e6


def disk_turn(build, backend, depth):
    cpu = cpu_seconds(backend.process)
    command = [build / 'tools/vu-bench', '--socket-path', backend.socket, '--json', '--cpu', 0, '--qd',
               depth, '--size', '64M', '--time', SECONDS]
    result = json.loads(subprocess.run([str(word) for word in command], check=True, timeout=60,
                                       stdout=subprocess.PIPE).stdout)
    return result['iops_best_5ms'], (cpu_seconds(backend.process) - cpu) / max(result['finished'], 1) * 1e6


def best(results, key, found):
    rate, cpu = results.get(key, (0, 1e9))
    results[key] = (max(rate, found[0]), min(cpu, found[1]))


def glib_programs(build, names, *arguments):
    """Those examples of libvu-glib whose languages are there."""
    binding, source = build / 'bindings/glib', pathlib.Path(__file__).resolve().parents[2] / 'bindings/glib/examples'
    if not (binding / 'VuGlib-0.1.typelib').exists():
        return {}
    env = ['env', f'GI_TYPELIB_PATH={binding}', f'LD_LIBRARY_PATH={build}/lib:{binding}']
    runs = {'.py': ['/usr/bin/python3', '-B'], '.js': ['gjs', '-m'], '.vala': []}
    found = {}
    for name in names:
        ending = pathlib.Path(name).suffix
        program = binding / 'examples/rng-vala' if ending == '.vala' else source / name
        if program.exists() and (not runs[ending] or shutil.which(runs[ending][0])):
            found[f'{name}, libvu-glib'] = [*env, *runs[ending], program, 'SOCKET', *arguments]
    return found


def rust_programs(build, *arguments):
    """An example of the crate libvu, if it was built: tests/rust/cargo.py ROOT BUILD release."""
    program = build / 'tests/rust/target/release/examples' / arguments[0]
    if not program.exists():
        return {}
    return {f'{arguments[0]}.rs, libvu': ['env', f'LD_LIBRARY_PATH={build}/lib', program, '--socket-path=SOCKET',
                                   *arguments[1:]]}


def main(build):
    build = pathlib.Path(build).resolve()
    python = build / 'tests/python/venv/bin/python'
    examples = pathlib.Path(__file__).resolve().parents[2] / 'bindings/python/examples'
    results = {}
    with tempfile.TemporaryDirectory(dir='/dev/shm') as folder:
        image = pathlib.Path(folder, 'image')
        image.write_bytes(bytes(64 << 20))
        rngs = {'vu-rng (C)': [build / 'examples/vu-rng', '--socket-path=SOCKET'],
                **rust_programs(build, 'rng'),
                'rng.py, pylibvu': [python, examples / 'rng.py', 'SOCKET'],
                'the same, with batch=True': [python, '-c', BATCHED, 'SOCKET'],
                **glib_programs(build, ['rng.vala', 'rng.py', 'rng.js'])}
        disks = {'vu-blk --backend=memory (C)': [build / 'examples/vu-blk', '--socket-path=SOCKET',
                                                 '--backend=memory'],
                 **rust_programs(build, 'blk', '--size=64M'),
                 'blk.py, pylibvu': [python, examples / 'blk.py', 'SOCKET', image],
                 **glib_programs(build, ['blk.js'], image)}
        for depth in (1, 64):
            for _ in range(TURNS):
                for name, command in rngs.items():
                    with Backend(folder, command, cpu=1) as backend:
                        best(results, (name, depth), rng_turn(backend, depth))
                for name, command in disks.items():
                    with Backend(folder, command, cpu=1) as backend:
                        best(results, (name, depth), disk_turn(build, backend, depth))
    print('| device | one at a time | CPU each | 64 at a time | CPU each |')
    print('| --- | --- | --- | --- | --- |')
    for name in [*rngs, *disks]:
        cells = [f'{rate / 1000:.1f} k/s | {cpu:.1f} µs' for rate, cpu in
                 (results[name, 1], results[name, 64])]
        print(f'| {name} | {" | ".join(cells)} |')


if __name__ == '__main__':
    BUILD = pathlib.Path(sys.argv[1]).resolve()
    PYTHON = BUILD / 'tests/python/venv/bin/python'
    if pathlib.Path(sys.prefix).resolve() != PYTHON.parents[1]:  # the driver is pylibvu's
        os.execv(PYTHON, [str(PYTHON), '-B', *sys.argv])
    os.sched_setaffinity(0, {0})
    main(BUILD)
