#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The same two devices in Rust on libvu and on vhost-user-backend, and in C: lines, requests a second, CPU time.

rust_devices.py BUILD     prints the table of docs/rust.md, as Markdown

Builds what it measures: the examples of the crate libvu by tests/rust/cargo.py, and rust-vmm/ here, whose crates cargo
fetches.  Driven and measured as python_devices.py does it, in turns that alternate.
"""
import os
import pathlib
import subprocess
import sys
import tempfile

import python_devices as bench

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
EXAMPLES, THEIRS = ROOT / 'bindings/rust/examples', HERE / 'rust-vmm/src/bin'


def build_all(build):
    target = build / 'tests/bench/rust-vmm'
    subprocess.run([sys.executable, ROOT / 'tests/rust/cargo.py', ROOT, build, 'release'], check=True)
    subprocess.run(['cargo', 'build', '--release', '--locked'], cwd=HERE / 'rust-vmm', check=True,
                   env=dict(os.environ, CARGO_TARGET_DIR=str(target)))
    return target / 'release'


def lines(source):
    """Of code: without comments and blank lines."""
    return sum(1 for line in source.read_text().splitlines() if line.strip() and not line.strip().startswith('//'))


def row(name, source, results):
    cells = [f'{rate / 1000:.1f} k/s | {cpu:.1f} µs' for rate, cpu in (results[name, 1], results[name, 64])]
    return f'| {name} | {lines(source) if source else ""} | {" | ".join(cells)} |'


def main(build):
    theirs = build_all(build)
    os.sched_setaffinity(0, {0})
    rngs = {'vu-rng (C)': ([build / 'examples/vu-rng', '--socket-path=SOCKET'], None),
            'rng.rs, libvu': (bench.rust_programs(build, 'rng')['rng.rs, libvu'], EXAMPLES / 'rng.rs'),
            'rng.rs, vhost-user-backend': ([theirs / 'rng', 'SOCKET'], THEIRS / 'rng.rs')}
    disks = {'vu-blk --backend=memory (C)': ([build / 'examples/vu-blk', '--socket-path=SOCKET', '--backend=memory'],
                                             None),
             'blk.rs, libvu': (bench.rust_programs(build, 'blk', '--size=64M')['blk.rs, libvu'], EXAMPLES / 'blk.rs'),
             'blk.rs, vhost-user-backend': ([theirs / 'blk', 'SOCKET', 64 << 20], THEIRS / 'blk.rs')}
    results = {}
    with tempfile.TemporaryDirectory(dir='/dev/shm') as folder:
        for depth in (1, 64):
            for _ in range(bench.TURNS):
                for name, (command, _) in rngs.items():
                    with bench.Backend(folder, command, cpu=1) as backend:
                        bench.best(results, (name, depth), bench.rng_turn(backend, depth))
                for name, (command, _) in disks.items():
                    with bench.Backend(folder, command, cpu=1) as backend:
                        bench.best(results, (name, depth), bench.disk_turn(build, backend, depth))
    print('| device | lines | one at a time | CPU each | 64 at a time | CPU each |')
    print('| --- | --- | --- | --- | --- | --- |')
    for name, (_, source) in [*rngs.items(), *disks.items()]:
        print(row(name, source, results))


if __name__ == '__main__':
    BUILD = pathlib.Path(sys.argv[1]).resolve()
    PYTHON = BUILD / 'tests/python/venv/bin/python'
    if pathlib.Path(sys.prefix).resolve() != PYTHON.parents[1]:  # the driver is pylibvu's
        os.execv(PYTHON, [str(PYTHON), '-B', *sys.argv])
    main(BUILD)
