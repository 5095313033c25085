#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Is each member of each struct where it was?  members.py OLD.xml NEW.xml (of abidw's)"""
import sys
import xml.etree.ElementTree


def structs(path):
    """{struct: (bits, {member: (offset, type)})} of those whose members are described."""
    root = xml.etree.ElementTree.parse(path).getroot()
    types = {node.get('id'): node for node in root.iter() if node.get('id')}

    def spelled(at):
        """A type by names: numbers differ from one description to the next."""
        node = types[at]
        below = node.get('type-id')
        what = node.get('name') or node.get('const', '') + (spelled(below) if below else '')
        return f'{node.tag} {what} {node.get("size-in-bits", "")}' if node.tag != 'class-decl' else f'struct {what}'

    found = {}
    for node in root.iter('class-decl'):
        if node.get('name', '').startswith('vu_') and node.get('size-in-bits'):
            members = {m[0].get('name'): (m.get('layout-offset-in-bits'), spelled(m[0].get('type-id')))
                       for m in node.iter('data-member')}
            found[node.get('name')] = int(node.get('size-in-bits')), members
    return found


def main(old, new):
    before, now = structs(old), structs(new)
    wrong = [f'struct {name} is gone' for name in before if name not in now]
    for name in set(before) & set(now):
        if now[name][0] < before[name][0]:
            wrong.append(f'struct {name} became smaller')
        wrong += [f'{name}.{member}: was at {what}, now {now[name][1].get(member)}'
                  for member, what in before[name][1].items() if now[name][1].get(member) != what]
    print('\n'.join(wrong) or f'{len(before)} structs, {sum(len(b[1]) for b in before.values())} members')
    return bool(wrong) or len(before) < 10


sys.exit(main(*sys.argv[1:]))
