#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""When does a program tell its service manager that it is ready?  ready.py PROGRAM..."""
import os
import pathlib
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'kit'))
from child import HANG, Child  # noqa: E402
from program_case import ProgramCase  # noqa: E402

PROGRAMS = [pathlib.Path(p) for p in sys.argv[1:]]
del sys.argv[1:]


class Ready(ProgramCase):
    def start(self, program, manager, **options):
        argv = self.command(program, f'--socket-path={self.folder}/{program.name}.sock')
        child = Child(argv, env=self.environment(NOTIFY_SOCKET=manager), **options)
        self.addCleanup(child.end)
        return child

    def manager(self, address):
        server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(server.close)
        server.settimeout(HANG)
        server.bind(address)
        return server

    def test_each_program_says_so_when_a_monitor_can_connect_also_from_its_sandbox(self):
        server = self.manager(f'{self.folder}/notify')
        for program in PROGRAMS:
            with self.subTest(program.name):
                self.start(program, f'{self.folder}/notify')
                self.assertEqual(server.recv(100), b'READY=1')
                monitor = socket.socket(socket.AF_UNIX)
                monitor.connect(f'{self.folder}/{program.name}.sock')
                monitor.close()

    def test_a_manager_in_the_abstract_namespace_is_told(self):
        name = f'libvu-test-{os.getpid()}'
        server = self.manager('\0' + name)
        self.start(PROGRAMS[0], '@' + name)
        self.assertEqual(server.recv(100), b'READY=1')

    def test_a_program_that_cannot_start_is_not_ready(self):
        server = self.manager(f'{self.folder}/notify')
        (self.folder / (PROGRAMS[0].name + '.sock')).write_text('not a socket')
        child = self.start(PROGRAMS[0], f'{self.folder}/notify', stderr=subprocess.DEVNULL)
        self.assertEqual(child.wait(HANG), 1)
        server.setblocking(False)
        self.assertRaises(BlockingIOError, server.recv, 100)

    def test_a_manager_that_is_not_there_is_a_line_and_no_reason_to_stop(self):
        for manager in (f'{self.folder}/nobody', 'nonsense', '/' + 'x' * 200):
            with self.subTest(manager):
                child = self.start(PROGRAMS[0], manager, stderr=subprocess.PIPE, text=True)
                self.assertIn(f'NOTIFY_SOCKET={manager}: ', child.stderr.readline())
                self.assertIn('listen', child.stderr.readline())
                child.terminate()
                self.assertEqual(child.wait(HANG), 0)
                child.stderr.close()


if __name__ == '__main__':
    unittest.main()
