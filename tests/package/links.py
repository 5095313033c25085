#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Do links between the pages lead somewhere?  links.py ROOT

Files and headings in this tree only; nothing is fetched.
"""
import pathlib
import re
import sys


def slug(heading):
    """The anchor that a heading gets: as the usual renderers of Markdown make it."""
    text = re.sub(r'`|\*|\[([^]]*)\]\([^)]*\)', r'\1', heading).strip().lower()
    return re.sub(r'[^\w\- ]', '', text).replace(' ', '-')


def prose(page):
    """A page without code."""
    text = re.sub(r'^```.*?^```', '', page.read_text('utf-8'), flags=re.S | re.M)
    return re.sub(r'`[^`\n]*`', '`', re.sub(r'^    .*$', '', text, flags=re.M))


def anchors(page):
    return {slug(h) for h in re.findall(r'^#+ (.*)$', page.read_text('utf-8'), re.M)}


def wrong_links(page):
    for target in re.findall(r'\]\(([^)\s]+)\)', prose(page)):
        if re.match(r'[a-z]+:', target):
            continue
        path, _, anchor = target.partition('#')
        there = (page.parent / path).resolve() if path else page
        if not there.exists():
            yield target
        elif anchor and there.suffix == '.md' and anchor not in anchors(there):
            yield target


def main(root):
    root = pathlib.Path(root)
    pages = [*root.glob('*.md'), *root.glob('docs/**/*.md')]
    wrong = [f'{p.relative_to(root)}: {target}' for p in sorted(pages) for target in wrong_links(p)]
    # Every page can be found from the first one.
    linked = (root / 'README.md').read_text('utf-8') + (root / 'CONTRIBUTING.md').read_text('utf-8')
    wrong += [f'README.md does not link docs/{p.name}' for p in sorted(root.glob('docs/*.md'))
              if f'docs/{p.name}' not in linked]
    print('\n'.join(wrong) or f'{len(pages)} pages')
    return bool(wrong) or len(pages) < 20


sys.exit(main(*sys.argv[1:]))
