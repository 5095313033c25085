#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Does a program tell its counters as Prometheus reads them?  metrics.py VU-CHECK VU-GPIO PROGRAM..."""
import json
import pathlib
import re
import resource
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'kit'))
from child import HANG, Child, wait_until_it_listens  # noqa: E402
from program_case import ProgramCase  # noqa: E402

CHECK, *PROGRAMS = map(pathlib.Path, sys.argv[1:])
GPIO = PROGRAMS[0]
FILES_OF_256_QUEUES = 2000
del sys.argv[1:]
# A comment, or a name, labels and a value.
LINE = re.compile(r'# (HELP|TYPE) vu_\w+ .+|(vu_\w+)\{device="([^"\\]*)",queue="(\d+)"\} (\d+)')


class Program(ProgramCase):
    def start(self, program, *more):
        argv = self.command(program, f'--socket-path={self.folder}/s', f'--control={self.folder}/control', *more)
        child = Child(argv, stderr=subprocess.DEVNULL, env=self.environment())
        self.addCleanup(child.end)
        for name in ('s', 'control'):
            wait_until_it_listens(self.folder / name, child)
        return child

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

    def json(self):
        """{queue: its counters}"""
        found, end = self.ask('metrics json')
        self.assertEqual(end, 'ok')
        return {queue['queue']: queue for queue in map(json.loads, found)}


class Metrics(Program):
    def setUp(self):
        super().setUp()
        self.start(GPIO)

    def test_each_line_is_one_that_prometheus_reads_and_each_metric_has_its_type(self):
        values, lines = self.values()
        self.assertEqual({queue for _, queue in values}, {'0', '1'})
        for name in {name for name, _ in values}:
            self.assertEqual(sum(line.startswith(f'# TYPE {name} ') for line in lines), 1)
            self.assertEqual(sum(line.startswith(f'# HELP {name} ') for line in lines), 1)
        self.assertEqual(values['vu_requests_total', '0'], 0)

    def drive(self):
        subprocess.run([CHECK, f'--socket-path={self.folder}/s', f'--timeout={HANG}', '--type=gpio', '--only=split-*'],
                       check=False, stdout=subprocess.DEVNULL, timeout=HANG)

    def test_they_count_what_a_driver_does(self):
        self.drive()
        values, _ = self.values()
        self.assertGreater(values['vu_requests_total', '0'], 0)
        self.assertGreater(values['vu_kicks_total', '0'], 0)

    def test_json_says_the_same(self):
        self.drive()
        values, objects = self.values()[0], self.json()
        self.assertEqual(set(objects), {0, 1})
        self.assertGreater(objects[0]['requests'], 0)
        for (name, queue), value in values.items():
            key = name.removeprefix('vu_').removesuffix('_total').removesuffix('_requests')
            self.assertEqual(objects[int(queue)][key], value)
        self.assertEqual(objects[0]['device'], 'gpio0')

    def test_help_names_the_command(self):
        self.assertTrue(any(line.startswith('metrics [json] ') for line in self.ask('help')[0]))

    def test_other_words_are_told_what_it_takes(self):
        for words in ('metrics please', 'metrics json twice'):
            self.assertEqual(self.ask(words)[1], "error: 'metrics' is used so: metrics [json]")


class EveryProgram(Program):
    def test_each_program_has_the_command(self):
        for program in PROGRAMS:
            with self.subTest(program.name):
                child = self.start(program)
                self.assertIn(('vu_requests_total', '0'), self.values()[0])
                self.assertIn(0, self.json())
                child.terminate()
                child.wait(HANG)
                for left in ('s', 'control'):
                    (self.folder / left).unlink(missing_ok=True)  # out of reach in vu-fs' sandbox

    def test_a_disk_tells_the_counters_of_256_queues_and_looks_at_its_size(self):
        disk = [p for p in PROGRAMS if p.name == 'vu-blk']
        if not disk:
            self.skipTest('vu-blk is not built')
        if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < FILES_OF_256_QUEUES:
            self.skipTest('256 queues need more open files than a process may have here')
        self.start(disk[0], '--num-queues=256')
        self.assertEqual({queue for _, queue in self.values()[0]}, {str(n) for n in range(256)})
        self.assertEqual(set(self.json()), set(range(256)))
        self.assertEqual(self.ask('resize'), ([], 'ok'))


if __name__ == '__main__':
    unittest.main()
