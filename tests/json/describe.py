#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Do descriptions of back-ends follow QEMU's vhost-user.json?  describe.py PROGRAM [FILE]

FILE is a VhostUserBackend; what PROGRAM --print-capabilities says, a VHostUserBackendCapabilities.
A program of a type that QEMU does not know has no FILE, for libvirt gives up on a folder with one.
The rules are those of QEMU's docs/interop/vhost-user.json, written down again; first they have to
refuse what is wrong.
"""
import json
import os
import re
import subprocess
import sys
import unittest

TYPES = {'9p', 'balloon', 'block', 'caif', 'console', 'crypto', 'gpu', 'input', 'net', 'rng',
         'rpmsg', 'rproc-serial', 'scsi', 'vsock', 'fs'}
FEATURES = {'block': {'read-only', 'blk-file'},
            'input': {'evdev-path', 'no-grab'},
            'gpu': {'render-node', 'virgl'},
            # virtiofsd 1.14's, for libvirt: what it can, not names of options.
            'fs': {'migrate-precopy', 'separate-options', 'posix-acl-negotiation-mode', 'security-label-negotiation-mode'}}


def strings(value):
    return isinstance(value, list) and all(isinstance(s, str) for s in value)


def members(doc, required, optional):
    """What is wrong with the members of a QAPI struct, one line each."""
    if not isinstance(doc, dict):
        yield 'not an object'
        return
    yield from (f'no member {name}' for name in required if name not in doc)
    yield from (f'unknown member {name}' for name in doc if name not in required | optional)


def check_type(doc):
    if doc.get('type') not in TYPES:
        yield f'no such type: {doc.get("type")}'


def check_backend(doc):
    """A VhostUserBackend."""
    wrong = list(members(doc, {'description', 'type', 'binary'}, {'tags'}))
    if wrong:
        return wrong
    wrong += check_type(doc)
    if not isinstance(doc['description'], str) or not doc['description']:
        wrong.append('description is no text')
    if not isinstance(doc['binary'], str) or not os.path.isabs(doc['binary']):
        wrong.append('binary is no absolute path')
    if not strings(doc.get('tags', [])):
        wrong.append('tags are no list of texts')
    return wrong


def check_capabilities(doc):
    """A VHostUserBackendCapabilities."""
    wrong = list(members(doc, {'type'}, {'features'}))
    if wrong:
        return wrong
    wrong += check_type(doc)
    features = doc.get('features', [])
    if not strings(features):
        return wrong + ['features are no list of texts']
    if len(set(features)) != len(features):
        wrong.append('a feature is named twice')
    known = FEATURES.get(doc['type'], set())
    return wrong + [f'unknown feature: {f}' for f in features if f not in known]


def unescaped(path):
    with open(path, encoding='utf-8') as file:
        text = file.read()
    assert '@' not in text, f'{path}: something was not filled in'
    return json.loads(text)


class Rules(unittest.TestCase):
    good = {'description': 'd', 'type': 'block', 'binary': '/usr/bin/b', 'tags': ['t']}

    def test_wrong_descriptions_are_refused(self):
        self.assertEqual(check_backend(self.good), [])
        for change in ({'type': 'disk'}, {'type': None}, {'binary': 'b'}, {'binary': 1},
                       {'tags': 't'}, {'tags': [1]}, {'description': ''}, {'features': []}):
            self.assertTrue(check_backend({**self.good, **change}), change)
        for name in ('description', 'type', 'binary'):
            doc = dict(self.good)
            del doc[name]
            self.assertTrue(check_backend(doc), name)
        self.assertTrue(check_backend([]))

    def test_wrong_capabilities_are_refused(self):
        self.assertEqual(check_capabilities({'type': 'block', 'features': ['blk-file']}), [])
        self.assertEqual(check_capabilities({'type': 'fs'}), [])
        for doc in ({'type': 'disk'}, {}, {'type': 'block', 'features': ['blkfile']},
                    {'type': 'rng', 'features': ['read-only']}, {'type': 'rng', 'features': 'x'},
                    {'type': 'block', 'binary': '/b'},
                    {'type': 'block', 'features': ['blk-file', 'blk-file']}):
            self.assertTrue(check_capabilities(doc), doc)


class Description(unittest.TestCase):
    program = path = ''

    def setUp(self):
        if not self.path and 'file' in self._testMethodName:
            self.skipTest('a type that QEMU does not know')

    def test_the_file_describes_the_program(self):
        doc = unescaped(self.path)
        self.assertEqual(check_backend(doc), [])
        self.assertEqual(os.path.basename(doc['binary']), os.path.basename(self.program))
        self.assertTrue(re.fullmatch(r'[0-9][0-9]-[a-z0-9-]+\.json', os.path.basename(self.path)))

    def test_the_program_says_the_same_of_itself(self):
        out = subprocess.run([self.program, '--print-capabilities'], check=True, timeout=600,
                             stdout=subprocess.PIPE, stdin=subprocess.DEVNULL).stdout
        doc = json.loads(out)
        if self.path:
            self.assertEqual(check_capabilities(doc), [])
            self.assertEqual(doc['type'], unescaped(self.path)['type'])
        else:
            self.assertEqual(check_capabilities(doc), [f'no such type: {doc["type"]}'])

    def test_every_feature_is_an_option(self):
        def run(option):
            return subprocess.run([self.program, option], check=True, timeout=600, text=True,
                                  stdout=subprocess.PIPE).stdout
        for feature in json.loads(run('--print-capabilities')).get('features', []):
            if feature not in FEATURES['fs']:
                self.assertIn('--' + feature, run('--help'))


if __name__ == '__main__':
    Description.program, Description.path = (sys.argv[1:3] + [''])[:2]
    unittest.main(argv=sys.argv[:1])
