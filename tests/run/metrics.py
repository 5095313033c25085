#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Does a program tell its counters as Prometheus reads them?  metrics.py VU-GPIO VU-CHECK"""
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import unittest

GPIO, CHECK = sys.argv[1:3]
del sys.argv[1:]
HANG = 300  # seconds, to find out that nothing comes
# A comment, or a name, labels and a value.
LINE = re.compile(r'# (HELP|TYPE) vu_\w+ .+|(vu_\w+)\{device="([^"\\]*)",queue="(\d+)"\} (\d+)')


class Metrics(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        child = subprocess.Popen([GPIO, f'--socket-path={self.folder}/s', f'--control={self.folder}/control'],
                                 stderr=subprocess.DEVNULL)
        self.addCleanup(child.wait)
        self.addCleanup(child.terminate)
        until = time.monotonic() + HANG
        while not (self.folder / 's').exists():
            self.assertIsNone(child.poll())
            self.assertLess(time.monotonic(), until)
            time.sleep(0.02)

    def ask(self, text):
        """The lines of an answer, and how it ended."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(HANG)
            client.connect(f'{self.folder}/control')
            client.sendall(text.encode() + b'\n')
            lines = []
            with client.makefile() as answer:
                for line in answer:
                    lines.append(line.rstrip('\n'))
                    if re.match('ok|error', line):
                        break
        return lines[:-1], lines[-1]

    def values(self):
        found, end = self.ask('metrics')
        self.assertEqual(end, 'ok')
        for line in found:
            self.assertRegex(line, f'^(?:{LINE.pattern})$')
        return {(m[2], m[4]): int(m[5]) for m in map(LINE.match, found) if m[2]}, found

    def test_each_line_is_one_that_prometheus_reads_and_each_metric_has_its_type(self):
        values, lines = self.values()
        self.assertEqual({queue for _, queue in values}, {'0', '1'})
        for name in {name for name, _ in values}:
            self.assertEqual(sum(line.startswith(f'# TYPE {name} ') for line in lines), 1)
            self.assertEqual(sum(line.startswith(f'# HELP {name} ') for line in lines), 1)
        self.assertEqual(values['vu_requests_total', '0'], 0)

    def test_they_count_what_a_driver_does(self):
        subprocess.run([CHECK, f'--socket-path={self.folder}/s', '--type=gpio', '--only=split-*'], check=False,
                       stdout=subprocess.DEVNULL, timeout=HANG)
        values, _ = self.values()
        self.assertGreater(values['vu_requests_total', '0'], 0)
        self.assertGreater(values['vu_kicks_total', '0'], 0)

    def test_more_words_are_no_command(self):
        self.assertTrue(self.ask('metrics please')[1].startswith("error: there is no command 'metrics'"))


if __name__ == '__main__':
    unittest.main()
