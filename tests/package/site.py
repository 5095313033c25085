#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Does the site of the documentation lead where it says, and has it everything?  site.py ROOT GENERATOR"""
import html.parser
import pathlib
import re
import subprocess
import sys
import tempfile


class Page(html.parser.HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.links, self.anchors, self.open, self.wrong = [], set(), [], []
        self.feed(path.read_text('utf-8'))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.links += [attrs[key] for key in ('href', 'src') if key in attrs]
        if 'id' in attrs:
            self.anchors.add(attrs['id'])
        if tag not in ('meta', 'link', 'br', 'hr', 'img'):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f'</{tag}>')


def wrong_with(pages, path):
    page = pages[path]
    yield from page.wrong[:1]
    for link in page.links:
        if re.match(r'[a-z]+:', link):
            continue
        name, _, anchor = link.partition('#')
        there = (path.parent / name).resolve() if name else path
        if not there.exists() or (anchor and anchor not in pages[there].anchors):
            yield link


def main(root, generator):
    root = pathlib.Path(root)
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder).resolve() / 'html'
        done = subprocess.run([sys.executable, '-B', generator, root, out, out.parent / 'stamp'], stderr=subprocess.PIPE,
                              text=True, check=False)
        if "No module named 'markdown'" in done.stderr:
            print('skipped: no markdown of Python\'s (Debian: python3-markdown)')
            return 77
        assert not done.returncode, done.stderr
        pages = {p.resolve(): Page(p) for p in out.glob('**/*.html')}
        wrong = [f'{p.relative_to(out)}: {what}' for p in sorted(pages) for what in wrong_with(pages, p)]
        there = set().union(*(page.anchors for p, page in pages.items() if p.parent.name == 'api'))
        for header in root.glob('include/libvu/*.h'):
            wrong += [f'{header.name}: {name} has no section' for name in
                      re.findall(r'^VU_API\b[^;{]*?\b(vu_\w+)\s*\(', header.read_text(), re.M) if name not in there]
    print('\n'.join(wrong[:50]) or f'{len(pages)} pages, {len(there)} sections of the API')
    return bool(wrong) or len(pages) < 60


sys.exit(main(*sys.argv[1:]))
