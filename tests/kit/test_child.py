#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What tests start ends with them, and they see who listens."""
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import unittest

from child import HANG, Child, listens, wait_until_it_listens

SLEEP = ['sleep', '1000']
SCRIPT = f'import os, sys; sys.path.insert(0, {str(pathlib.Path(__file__).parent)!r}); from child import Child\n'


class Children(unittest.TestCase):
    def test_whoever_reads_a_tests_output_sees_its_end_however_it_ends(self):
        for end in ('', 'raise KeyError', 'sys.exit(3)', 'os.kill(os.getpid(), 9)'):
            with self.subTest(end):
                subprocess.run([sys.executable, '-c', f'{SCRIPT}Child({SLEEP})\n{end}'], check=False, timeout=HANG,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def test_a_failure_ends_the_child_of_its_block(self):
        with self.assertRaises(KeyError), Child(SLEEP) as child:
            raise KeyError
        self.assertEqual(child.returncode, -15)

    def test_one_that_ended_keeps_its_status(self):
        with Child(['sh', '-c', 'exit 7']) as child:
            self.assertEqual(child.wait(HANG), 7)
        self.assertEqual(child.returncode, 7)


class Listening(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = os.fsencode(folder.name)

    def test_a_file_is_not_enough_whatever_it_is_called_and_nobody_connects(self):
        for name in (b's', b's.2', b'two words', b' ', b'line\nfeed\n', b'\xff\xfe(*)[\\]$', b'x": ' * 15):
            with self.subTest(name), socket.socket(socket.AF_UNIX) as server:
                path = os.path.join(self.folder, name)
                server.bind(path)
                self.assertFalse(listens(path))
                server.listen()
                self.assertTrue(listens(path))
                self.assertFalse(listens(path[:-1]) or listens(path + b'x') or listens(name))
                server.setblocking(False)
                self.assertRaises(BlockingIOError, server.accept)

    def test_a_child_that_ends_is_not_waited_for(self):
        with Child(['false']) as child, self.assertRaisesRegex(AssertionError, 'ended with 1 before it listened'):
            wait_until_it_listens(self.folder + b'/s', child)


if __name__ == '__main__':
    unittest.main()
