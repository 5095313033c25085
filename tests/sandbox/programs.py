#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Which rights has a device's process once it serves?  programs.py PROGRAM..."""
import pathlib
import signal
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'kit'))
from child import HANG, Child  # noqa: E402
from program_case import ProgramCase  # noqa: E402

PROGRAMS = [pathlib.Path(p) for p in sys.argv[1:]]
del sys.argv[1:]
PER_USER = {'vu-fs', 'vu-vsock'}  # what these keep of root's is in docs/security.md
WITH_FOLDERS = {'vu-fs', 'vu-gpu', 'vu-scsi', 'vu-snd'}  # from a namespace of theirs the socket's file cannot be removed
CAPS = {'CAP_DAC_OVERRIDE': 1, 'CAP_DAC_READ_SEARCH': 2, 'CAP_IPC_LOCK': 14, 'CAP_SYS_PTRACE': 19}


class Programs(ProgramCase):
    def setUp(self):
        super().setUp()
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.manager.close)
        self.manager.settimeout(HANG)
        self.manager.bind(f'{self.folder}/notify')

    def start(self, program, *more, **streams):
        argv = self.command(program, f'--socket-path={self.folder}/{program.name}.sock', *more)
        env = self.environment(NOTIFY_SOCKET=f'{self.folder}/notify')
        streams = {'stdin': subprocess.DEVNULL, **streams}
        child = Child(argv, env=env, stderr=subprocess.PIPE, text=True, **streams)
        self.addCleanup(child.end)
        self.assertEqual(self.manager.recv(100), b'READY=1')
        return child

    def end(self, child):
        """It ends in order, with nothing refused on the way: what it said."""
        child.terminate()
        said = child.communicate(timeout=HANG)[1]
        self.assertEqual(child.returncode, 0, said)
        self.assertNotIn('sandbox: the system call', said)
        return said

    def rights(self, child):
        """Of each thread: what /proc says."""
        threads = list(pathlib.Path(f'/proc/{child.pid}/task').iterdir())
        self.assertTrue(threads)
        return [dict(line.split(':\t', 1) for line in (t / 'status').read_text().splitlines() if ':\t' in line)
                for t in threads]

    def program(self, name):
        found = [p for p in PROGRAMS if p.name == name]
        if not found:
            self.skipTest(f'{name} is not built')
        return found[0]

    def test_every_thread_has_a_filter_and_no_way_to_more_rights(self):
        for program in PROGRAMS:
            with self.subTest(program.name):
                child = self.start(program)
                for thread in self.rights(child):
                    self.assertEqual(thread['Seccomp'], '2')
                    self.assertEqual(thread['NoNewPrivs'], '1')
                    if program.name not in PER_USER:
                        self.assertEqual(int(thread['CapEff'], 16), 0)
                    self.assertEqual(int(thread['CapInh'], 16) | int(thread['CapAmb'], 16), 0)
                limits = pathlib.Path(f'/proc/{child.pid}/limits').read_text()
                self.assertRegex(limits, r'Max core file size +0 +0 ')
                self.end(child)

    def test_what_options_need_is_kept_and_nothing_else(self):
        control = f'--control={self.folder}/control'
        for name, options, kept in (('vu-console', [control], ['CAP_DAC_OVERRIDE']),
                                    ('vu-i2c', [control], ['CAP_DAC_OVERRIDE']),
                                    ('vu-input', [control], ['CAP_DAC_READ_SEARCH']),
                                    ('vu-gpio', [control], []), ('vu-scmi', [control], []),
                                    ('vu-rtc', [control], []), ('vu-net', [control], []), ('vu-spi', [control], []),
                                    ('vu-can', [control], []),
                                    ('vu-blk', ['--direct', '--register-memory'], ['CAP_IPC_LOCK']),
                                    ('vu-rng', ['--postcopy'], ['CAP_SYS_PTRACE'])):
            with self.subTest(name):
                child = self.start(self.program(name), *options)
                mask = sum(1 << CAPS[cap] for cap in kept)
                for thread in self.rights(child):
                    self.assertEqual(int(thread['CapEff'], 16) & ~mask, 0)
                self.end(child)

    def test_commands_and_answers_pass_through_pipes(self):
        for name in ('vu-gpio', 'vu-gpu', 'vu-can'):
            with self.subTest(name):
                child = self.start(self.program(name), '--control=-', stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                self.addCleanup(child.stdout.close)
                child.stdin.write('help\n')
                child.stdin.flush()
                self.assertTrue(child.stdout.readline())
                self.end(child)

    def test_without_a_sandbox_everything_is_left(self):
        for program in PROGRAMS:
            with self.subTest(program.name):
                child = self.start(program, '--sandbox=none')
                for thread in self.rights(child):
                    self.assertEqual(thread['Seccomp'], self.own('Seccomp'))
                    self.assertEqual(thread['CapEff'], self.own('CapEff'))
                self.end(child)

    def own(self, what):
        status = pathlib.Path('/proc/self/status').read_text()
        return dict(line.split(':\t', 1) for line in status.splitlines() if ':\t' in line)[what]

    def test_signals_are_obeyed_within(self):
        for program in PROGRAMS:
            with self.subTest(program.name):
                child = self.start(program)
                child.send_signal(signal.SIGHUP)
                child.send_signal(signal.SIGUSR1)
                line = child.stderr.readline()
                while 'counters device=' not in line:
                    self.assertTrue(line)
                    line = child.stderr.readline()
                self.end(child)
                if program.name not in WITH_FOLDERS:
                    self.assertFalse((self.folder / f'{program.name}.sock').exists())


if __name__ == '__main__':
    unittest.main()
