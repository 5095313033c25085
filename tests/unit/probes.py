#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Are the probes that docs/metrics.md describes in the library, and used by the scripts as they are?

probes.py LIBRARY yes|no PAGE SCRIPT...    no: built without
"""
import pathlib
import re
import shutil
import subprocess
import sys


def probes(library):
    """{name: numbers of arguments}"""
    notes = subprocess.run(['readelf', '--wide', '--notes', library], stdout=subprocess.PIPE, check=True, text=True).stdout
    found = {}
    for provider, name, arguments in re.findall(r'Provider: (\S+)\s+Name: (\S+)\s+Location:.*\s+Arguments: (.*)', notes):
        assert provider == 'libvu', provider
        found.setdefault(name, set()).add(len(arguments.split(' ')))
    return found


def wrong_with(script, found):
    text = pathlib.Path(script).read_text()
    used = set(re.findall(r'^usdt:\*:libvu:(\w+)$', text, re.M))
    if not used or used - set(found):
        yield f'{script} uses {used}'
    if max(map(int, re.findall(r'\barg(\d)', text))) > 3:
        yield f'{script} uses arguments that there are not'


def main(library, built, page, *scripts):
    if not shutil.which('readelf'):
        print('skipped: no readelf (Debian: binutils)')
        return 77
    found = probes(library)
    if built == 'no':
        return found != {}
    described = set(re.findall(r'^\| `(\w+)` \| device, ', pathlib.Path(page).read_text(), re.M))
    wrong = [line for script in scripts for line in wrong_with(script, found)]
    if found != dict.fromkeys(('message', 'take', 'complete', 'signal'), {4}):
        wrong.append(f'{library} has {found}')
    if described != set(found):
        wrong.append(f'{page} describes {described}')
    print('\n'.join(wrong) or f'{len(found)} probes')
    return bool(wrong)


sys.exit(main(*sys.argv[1:]))
