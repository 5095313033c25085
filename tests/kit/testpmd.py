# SPDX-License-Identifier: MIT
"""DPDK's testpmd: a driver of virtio by virtio-user, or a back-end by its vhost driver."""
import contextlib
import os
import re
import shutil
import subprocess
import threading
import time

from child import GRACE, HANG, Child

PROMPT = b'testpmd> '
# Memory that is shared needs no huge pages: DPDK makes a memfd of it.
MIB, PACKETS = 128, 16384


def why_not():
    """Why there is none here, or None."""
    for program in ('dpdk-testpmd', 'stdbuf'):
        if not shutil.which(program):
            return f'no {program} (Debian: dpdk-dev, coreutils)'
    return None


class Testpmd:
    """One that runs commands; ended on leaving.

    `vdev`: its only device.  `cpu`: both of its threads are there; one waits for commands, the other one polls.
    """

    def __init__(self, vdev, cpu=None, options=()):
        where = '0,1' if cpu is None else f'0@{cpu},1@{cpu}'
        if cpu is None:
            cpus = sorted(os.sched_getaffinity(0))
            where = f'0@{cpus[0]},1@{cpus[-1]}'
        # Without stdbuf answers come when there are 4 KiB of them.
        self.process = Child(
            ['stdbuf', '-oL', 'dpdk-testpmd', '--no-huge', '-m', str(MIB), '--no-pci', '--no-shconf', '--no-telemetry',
             '--log-level=error', f'--lcores={where}', '--main-lcore=0', f'--vdev={vdev}', '--', '-i',
             f'--total-num-mbufs={PACKETS}', *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.said = self._answer()

    def __enter__(self):
        return self

    def __exit__(self, *why):
        # It does not always end at a signal.
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            self.process.stdin.write(b'stop\nquit\n')
            self.process.stdin.close()
            threading.Thread(target=self.process.stdout.read, daemon=True).start()
            self.process.wait(GRACE)
        self.process.end()

    def _answer(self):
        said, until = b'', time.monotonic() + HANG
        while not said.endswith(PROMPT):
            piece = os.read(self.process.stdout.fileno(), 65536)
            said += piece
            assert piece and time.monotonic() < until, f'testpmd: {said.decode(errors="replace")[-2000:]}'
        return said.decode(errors='replace')

    def do(self, *lines):
        """The answer to the last one."""
        for line in lines:
            self.process.stdin.write(f'{line}\n'.encode())
            self.process.stdin.flush()
            answer = self._answer()
            assert 'Bad arguments' not in answer and 'Command not found' not in answer, answer
        return answer

    def counts(self):
        """{name: number}, as RX-packets, of its port."""
        return {name: int(n) for name, n in re.findall(r'([RT]X-\w+): *(\d+)', self.do('show port stats 0'))}
