#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The pages and the API as one site of static HTML: site.py ROOT OUTPUT-FOLDER STAMP

Needs Python's markdown (Debian: python3-markdown).  Nothing is fetched, by us or by who reads it.
"""
import html
import pathlib
import re
import sys

import markdown

import headers

STYLE = '''
:root { color-scheme: light dark; --line: #8886; --soft: #8881; }
body { margin: 0; font: 1rem/1.55 system-ui, sans-serif; overflow-wrap: break-word; }
nav { border-bottom: 1px solid var(--line); padding: .6rem 1rem; }
nav a { margin-right: 1rem; white-space: nowrap; }
main { max-width: 52rem; margin: 0 auto; padding: 0 1rem 4rem; }
pre { overflow-x: auto; padding: .7rem; background: var(--soft); border-radius: 4px; line-height: 1.35; tab-size: 4; }
code { font: .9em ui-monospace, monospace; }
.table { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { border: 1px solid var(--line); padding: .25rem .5rem; text-align: left; vertical-align: top; }
section { border-top: 1px solid var(--line); margin-top: 2rem; }
dt { font-weight: 600; } dd { margin: 0 0 .4rem 1.5rem; } h2 { overflow-wrap: anywhere; }
'''
PAGE = '''<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><link rel="stylesheet" href="{up}style.css"></head>
<body><nav><a href="{up}index.html">libvu</a><a href="{up}api/index.html">API</a><a href="{up}docs/device-howto.html">Writing a device</a>
<a href="{up}docs/security.html">Security</a><a href="{up}NEWS.html">News</a></nav>
<main>
{body}
</main></body></html>
'''


def slug(value, separator='-'):
    """As tests/package/links.py expects them."""
    return re.sub(r'[^\w\- ]', '', value.strip().lower()).replace(' ', separator)


def listings(text):
    """What rustdoc reads behind the language, and the lines that it hides, are not Markdown's."""
    def shown(match):
        return '```rust\n' + re.sub(r'^# .*\n', '', match[1], flags=re.M) + '```'
    return re.sub(r'^```rust[\w,]*\n(.*?)^```$', shown, text, flags=re.M | re.S)


def write(out, name, title, body):
    path = out / name
    path.parent.mkdir(parents=True, exist_ok=True)
    up = '../' * name.count('/')
    path.write_text(PAGE.format(title=html.escape(title), up=up, body=body), 'utf-8')


def target(link, page, root, pages):
    """Where a link of a page leads in the site; what is no page is a file of the source."""
    if re.match(r'[a-z]+:|#', link):
        return link
    path, hash_, anchor = link.partition('#')
    there = (page.parent / path).resolve()
    if there in pages:
        return re.sub(r'\.md$', '.html', path).replace('README.html', 'index.html') + hash_ + anchor
    name = there.relative_to(root).as_posix()
    depth = '../' * page.relative_to(root).as_posix().count('/')
    return f'{depth}source.html#{slug(name)}'


def page_of(md, page, root, pages, files):
    body = md.reset().convert(listings(page.read_text('utf-8')))

    def link(match):
        to = target(html.unescape(match[1]), page, root, pages)
        if 'source.html#' in to:
            files.add((page.parent / html.unescape(match[1]).partition('#')[0]).resolve())
        return f'href="{html.escape(to)}"'
    body = re.sub(r'href="([^"]*)"', link, body)
    return re.sub(r'<table>.*?</table>', lambda m: f'<div class="table">{m[0]}</div>', body, flags=re.S)


def source_of(path, root):
    name = path.relative_to(root).as_posix()
    text = path.read_text('utf-8', 'replace') if path.is_file() else '\n'.join(
        sorted(p.name for p in path.iterdir() if not p.name.startswith('__')))
    return f'<section><h2 id="{slug(name)}">{name}</h2>\n<pre><code>{html.escape(text)}</code></pre></section>'


def write_pages(root, out):
    md = markdown.Markdown(extensions=['tables', 'fenced_code', 'sane_lists', 'toc'], tab_length=2,
                           extension_configs={'toc': {'slugify': slug}})
    pages = {p.resolve() for p in [*root.glob('*.md'), *root.glob('docs/**/*.md')]}
    files = set()
    for page in sorted(pages):
        name = page.relative_to(root).as_posix()
        body = page_of(md, page, root, pages, files)
        write(out, re.sub(r'\.md$', '.html', name).replace('README.html', 'index.html'), page.stem, body)
    write(out, 'source.html', 'Files', ''.join(source_of(f, root) for f in sorted(files)))
    return len(pages)


def write_api(root, out):
    sources = [(p.stem + '.html', p.read_text('utf-8')) for p in sorted((root / 'include/libvu').glob('*.h'))]
    names = headers.names_of(sources)
    index = ['<h1>API</h1><p>What <code>#include &lt;libvu/vu.h&gt;</code> declares; '
             '<code>libvu/unstable.h</code> has more, which may still change.</p>']
    for name, text in sources:
        own = [n for n, page in names.items() if page == name]
        if own:
            write(out, f'api/{name}', f'libvu/{name[:-5]}.h', f'<h1>libvu/{name[:-5]}.h</h1>' + headers.page(text, names))
            links = ', '.join(f'<a href="{name}#{n}"><code>{n}</code></a>' for n in own)
            index.append(f'<h2><a href="{name}">libvu/{name[:-5]}.h</a></h2><p>{links}</p>')
    write(out, 'api/index.html', 'API', '\n'.join(index))
    return len(names)


def main(root, out, stamp):
    root, out = pathlib.Path(root).resolve(), pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / 'style.css').write_text(STYLE, 'utf-8')
    n_pages, n_names = write_pages(root, out), write_api(root, out)
    pathlib.Path(stamp).write_text(f'{n_pages} pages, {n_names} names\n')


main(*sys.argv[1:])
