#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Includes go one way: base < wire, mem < ring < core < vhost_user < run.  includes.py ROOT"""
import pathlib
import re
import sys

from sources import sources

# Directory (* is one of any name): what its files may include with quotes, beside their own directory's.
ALLOWED = {'lib/base': {'base/'}, 'lib/wire': {'base/'}, 'lib/mem': {'base/'},
           'lib/ring': {'base/', 'mem/'},
           'lib/core': {'base/', 'mem/', 'ring/'},
           'lib/vhost_user': {'base/', 'wire/', 'mem/', 'ring/', 'core/'},
            'lib/run': {'base/first_size.h', 'base/log.h', 'base/printable.h', 'base/quiet_write.h',
                        'base/size_struct.h'},
           'include/libvu': set(),
           'examples/*': {'../common/'}, 'tests/sketches': set(), 'tests/frontend': {'frontend/', 'wire/spec.h'},
           'testing': {'frontend/', 'libvu-testing/testing.h'}, 'testing/libvu-testing': set()}


def main(root):
    bad = seen = 0
    files = sources(root)
    for folder, allowed in ALLOWED.items():
        own = folder.split('/')[-1] + '/'
        looked = seen
        for path in (p for p in files if p.match('*.[ch]*') and p.parent.match(str(root / folder))):
            for line, text in enumerate(path.read_text().splitlines(), 1):
                found = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', text)
                if not found:
                    continue
                seen += 1
                quoted, name = found[1] == '"', found[2]
                if quoted:
                    ok = (folder.startswith('lib/') and name.startswith(own)) or '/' not in name or any(
                        name.startswith(a) and '..' not in name[len(a):] for a in allowed)
                else:
                    ok = name in ('libvu/vu.h', 'libvu/unstable.h') or not name.startswith('libvu/') or \
                        not folder.startswith(('examples', 'tests'))
                if not ok:
                    print(f'{path.relative_to(root)}:{line}: {folder} must not include {name}')
                    bad = 1
        if seen == looked:
            print(f'{folder}: nothing there includes anything: mend this lint')
            bad = 1
    return bad or seen < 50


sys.exit(main(pathlib.Path(sys.argv[1])))
