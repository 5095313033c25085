# SPDX-License-Identifier: MIT
"""The comments of the public headers as HTML: a section for each name."""
import html
import re

COMMENT = re.compile(r'/\*\*\n(.*?)\n \*/\n(.*?)(?=\n\n|\Z)', re.S)
FIELD = re.compile(r'^(@[\w, @]+|Return|Thread|Since):\s*(.*)$')


def linked(text, names):
    """Escaped, with the names that have a section leading there."""
    text = html.escape(text, quote=False)
    text = re.sub(r'@(\w+)', r'<var>\1</var>', text)

    def link(match):
        page = names.get(match[1])
        return f'<a href="{page}#{match[1]}"><code>{match[0]}</code></a>' if page else f'<code>{match[0]}</code>'
    return re.sub(r'\b(vu_\w+|VU_\w+)\b(?:\(\))?', link, text)


def parts(lines):
    """(what it is about, lines) of a comment: None for its text, then fields."""
    about, found = None, []
    for line in lines:
        field = FIELD.match(line)
        if field:
            about, line = field[1], field[2]
            found.append((about, []))
        elif not found or (not line and about):
            about = None
            found.append((None, []))
        # "Return: 0.  Thread: any.  Since: 0.1" may be in one line.
        more = re.match(r'(.*?)\s+((?:Thread|Since): .*)$', line)
        while more:
            found[-1][1].append(more[1])
            about, line = more[2].split(': ', 1)
            found.append((about, []))
            more = re.match(r'(.*?)\s+((?:Thread|Since): .*)$', line)
        found[-1][1].append(line)
    return [(about, text) for about, text in found if any(text)]


def body(lines, names):
    out, listed = [], False
    for about, text in parts(lines):
        words = ' '.join(line for line in text if line)
        if about and not listed:
            out.append('<dl>')
        if not about and listed:
            out.append('</dl>')
        listed = bool(about)
        if about:
            term = ', '.join(f'<var>{a.strip(" @")}</var>' for a in about.split(',')) if about[0] == '@' else about
            out.append(f'<dt>{term}</dt><dd>{linked(words, names)}</dd>')
        else:
            out.append(f'<p>{linked(words, names)}</p>')
    return '\n'.join(out + ['</dl>'] * listed)


def items(text):
    """(name, summary, lines of the comment, declaration) of each comment."""
    for comment, declaration in COMMENT.findall(text):
        lines = [re.sub(r'^ \* ?', '', line).replace('\t', '    ').strip() for line in comment.split('\n')]
        head = re.match(r'(?:struct |enum |typedef )?(\w+)(?:\(\))? - (.*)', lines[0])
        if head:
            yield head[1], head[2], lines[1:], declaration.strip()


def names_of(headers):
    """{name: page} of all headers, each a (name of the page, text)."""
    return {name: page for page, text in headers for name, *_ in items(text)}


def page(text, names):
    first = re.search(r'/\*\s*\n?(.*?)\*/', text.split('\n', 1)[1], re.S)
    intro = ' '.join(re.sub(r'^\s*\* ?', '', line).strip() for line in first[1].split('\n')) if first else ''
    out = [f'<p>{linked(intro.strip(), names)}</p>']
    for name, summary, lines, declaration in items(text):
        out.append(f'<section><h2 id="{name}">{name}</h2>\n<p class="summary">{linked(summary, names)}</p>\n'
                   f'<pre><code>{html.escape(declaration, quote=False)}</code></pre>\n{body(lines, names)}</section>')
    return '\n'.join(out)
