#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Do lines on standard error have the format that --log-format says?  log_format.py VU-RNG VU-I2C"""
import json
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'kit'))
from child import HANG, Child, wait_until_it_listens  # noqa: E402
from program_case import ProgramCase  # noqa: E402

RNG, I2C = sys.argv[1:3]
del sys.argv[1:]


class LogFormat(ProgramCase):
    def lines(self, *options, program=RNG, act=None, status=0, name=b's'):
        """What it says from its start to its end."""
        path = bytes(self.folder) + b'/' + name
        argv = [program, *options, b'--socket-path=' + path]
        with Child(argv, stderr=subprocess.PIPE, env=self.environment()) as child:
            if not status:
                wait_until_it_listens(path, child)
                if act:
                    act(child, path)
                child.terminate()
            said = child.communicate(timeout=HANG)[1]
        self.assertEqual(child.returncode, status, said)
        return said.decode('utf-8').split('\n')[:-1]  # fails where it is no UTF-8

    @staticmethod
    def talk(child, path):
        """A front-end that sends nonsense, whose end is a line; then one that asks for counters."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(path)
            monitor.sendall(b'\xff' * 12)
            monitor.recv(1)
        child.send_signal(signal.SIGUSR1)
        time.sleep(0.1)  # the line may also be missed: no test needs it

    def objects(self, lines):
        found = [json.loads(line) for line in lines]
        for line in found:
            if 'queue' in line:
                continue
            self.assertEqual(list(line), ['time', 'level', 'object', 'message'])
            self.assertLess(abs(line['time'] - time.time()), HANG)
            self.assertIn(line['level'], ('error', 'warning', 'info', 'debug'))
        return [line for line in found if 'queue' not in line]

    def test_text_is_as_it_always_was(self):
        for options in ([], ['--log-format=text']):
            lines = self.lines(*options, act=self.talk)
            self.assertEqual(lines[0], f'info: rng0: listening on {self.folder}/s')
            self.assertTrue(all(re.match(r'(error|warning|info): rng0: |counters device=rng0 ', line) for line in lines))

    def test_json_has_an_object_in_each_line(self):
        lines = self.objects(self.lines('--log-format=json', '--verbose', act=self.talk))
        self.assertEqual(lines[0]['object'], 'rng0')
        self.assertEqual(lines[0]['message'], f'listening on {self.folder}/s')
        self.assertEqual(lines[0]['level'], 'info')
        self.assertGreater(len(lines), 2)

    def test_the_journal_gets_the_level_in_front(self):
        lines = self.lines('--log-format=journal', '--verbose', act=self.talk)
        self.assertEqual(lines[0], f'<6>rng0: listening on {self.folder}/s')
        self.assertTrue(all(re.match(r'<[3467]>(rng0: |counters )', line) for line in lines), lines)
        self.assertTrue(any(line.startswith(('<3>', '<4>')) for line in lines), lines)

    def test_hostile_names_stay_within_their_string(self):
        for name in (b'a"},{"level":"error', b'back\\slash\\', b'line\nfeed\r', b'\x01\x1b[31m\x7f', b'\xff\xfe\xc0\x80',
                     'ä€𝄞'.encode(), '\u2028\u0085'.encode(), b'x": ' * 15, b'%s%n%d'):
            with self.subTest(name):
                lines = self.objects(self.lines('--log-format=json', name=name))
                self.assertTrue(lines[0]['message'].startswith('listening on '))
                self.assertEqual(lines[0]['object'], 'rng0')
                lines = self.lines('--log-format=journal', name=name)
                self.assertTrue(all(line.startswith('<6>') for line in lines), lines)

    def test_what_a_program_says_before_it_serves_has_the_format_too(self):
        nowhere = b'no"where/' + b'\xff' * 3 + b'/s'
        line, = self.objects(self.lines('--log-format=json', name=nowhere, status=1))
        self.assertEqual((line['object'], line['level']), ('vu-rng', 'error'))
        self.assertIn('No such file', line['message'])
        line, = self.lines('--log-format=journal', name=nowhere, status=1)
        self.assertTrue(line.startswith('<3>vu-rng: '))

    def test_descriptions_of_devices_are_complained_of_in_the_format(self):
        wrong = self.folder / 'wrong"chips'
        wrong.write_bytes(b'no\x01such "command\xff\n')
        lines = self.objects(self.lines('--log-format=json', f'--chips={wrong}', program=I2C, status=1))
        self.assertTrue(any(f'{wrong}:1: ' in line['message'] for line in lines), lines)

    def test_another_format_is_wrong_usage(self):
        lines = self.lines('--log-format=xml', status=2)
        self.assertIn('text, json or journal', lines[0])


if __name__ == '__main__':
    unittest.main()
