# SPDX-License-Identifier: MIT
"""Results of bench.py as Markdown."""

SHAPES = {'one': '1 descriptor', 'blk3': '3 descriptors (16 bytes, 4 KiB, status)',
          'indirect3': 'the same through one indirect table',
          'chain18': '2 readable + 16 writable descriptors'}
OURS = 'libvu'


def table(head, rows):
    lines = ['| ' + ' | '.join(head) + ' |', '| --- ' + '| ---: ' * (len(head) - 1) + '|']
    lines += ['| ' + ' | '.join(str(cell) for cell in row) + ' |' for row in rows]
    return '\n'.join(lines) + '\n\n'


def number(value, digits=0):
    return '' if value is None else f'{value:.{digits}f}'


def ratio(value, base):
    return f'{value / base:.2f}x' if value and base else ''


def counts_table(counts):
    columns = [f'{layout} {mode} {batch}' for layout, mode in
               (('split', 'polling'), ('packed', 'polling'), ('split', 'blocking')) for batch in (32, 1)]
    rows = [[library, SHAPES[shape], *(number(found.get(f'{shape} {c}')) for c in columns)]
            for shape in SHAPES for library, found in counts.items()]
    return '## Instructions of a request, by batch\n\n' + \
        table(['library', 'request', *(c.replace('polling ', '') for c in columns)], rows)


def ring_table(ring, cpus):
    """A row for each case, a column for each library, and how many times ours is faster."""
    libraries = [OURS] + [n for n in dict.fromkeys(r['library'] for r in ring) if n != OURS]
    value = 'ns' if cpus == 1 else 'total_ns'
    cases = {}
    for r in ring:
        if r['cpus'] == cpus:
            case = (r['shape'], r['batch'], 'packed' if r['packed'] else 'split', r['event_idx'])
            cases.setdefault(case, {})[r['library']] = r[value]
    rows = []
    for (shape, batch, layout, event_idx), found in cases.items():
        times = [number(found.get(n), 1) + (f' ({ratio(found.get(n), found.get(OURS))})'
                                           if n != OURS and n in found else '') for n in libraries]
        rows.append([SHAPES[shape], batch, layout + ('' if event_idx else ', no EVENT_IDX'), *times])
    what = 'in the library' if cpus == 1 else 'all in all, library and driver on a CPU each'
    return f'## Time of a request, ns {what}\n\n' + table(['request', 'batch', 'ring', *libraries], rows)


def disk_table(disk):
    by = {(r['backend'], r['qd']): r for r in disk}
    names, depths = dict.fromkeys(n for n, _ in by), dict.fromkeys(d for _, d in by)
    rows = [[name, *(f'{by[name, d]["iops_best_5ms"] / 1000:.0f}' for d in depths),
             *(number(by[name, d]['latency_ns']['p50'] / 1000, 1) for d in depths)] for name in names]
    text = '## 4 KiB random reads, polling front-end on one CPU, back-end on the other\n\n' \
        'Thousand a second, in the best 5 ms of all runs, and the lowest median latency in us.\n\n' + \
        table(['back-end', *(f'qd {d}' for d in depths), *(f'us, qd {d}' for d in depths)], rows)
    pairs = (('vu-blk null', 'qemu-storage-daemon null-co'), ('vu-blk memory', 'qemu-storage-daemon null-co'),
             ('vu-blk memory, 16 MiB of it', 'qemu-storage-daemon null-co'),
             ('vu-blk file', 'qemu-storage-daemon io_uring'), ('vu-blk file', 'qemu-storage-daemon native'),
             ('vu-blk file', 'qemu-storage-daemon threads'), ('vu-blk file', 'contrib vhost-user-blk'))
    rows = [[a, b, *(ratio(by[b, d]['latency_ns']['p50'], by[a, d]['latency_ns']['p50']) for d in depths)]
            for a, b in pairs if a in names and b in names]
    text += 'How many times faster, by median latency (at a given depth, rate and latency are one thing, and the ' \
        'median is the steadier measure where other programs run):\n\n'
    return text + table(['ratio of', 'to', *(f'qd {d}' for d in depths)], rows)


def blocking_table(blocking):
    rows = [[r['backend'], f'{r["iops_best_5ms"] / 1000:.1f}', number(r['latency_ns']['p50'] / 1000, 1),
             number(r['latency_ns']['p99'] / 1000, 1), number(r['system_calls'], 2)] for r in blocking]
    return '## 4 KiB random reads, blocking, queue depth 1\n\n' + \
        table(['back-end', 'thousand a second, best 5 ms', 'p50 us', 'p99 us', "back-end's system calls a request"], rows)


def many_table(many):
    one = many[0]['rss_kib']
    rows = [[r['devices'], r['rss_kib'],
             number((r['rss_kib'] - one) / (r['devices'] - 1), 1) if r['devices'] > 1 else '',
             number(r['cpu_ms_of_a_second'], 2), r['served'], number(r['instructions']), r['ns']]
            for r in many]
    return '## Many devices in one process\n\n' + \
        table(['devices', 'idle: KiB', 'KiB each beyond the first', 'CPU ms in a second', 'served',
               'instructions of a request on one', 'ns'], rows)


def markdown(results):
    m = results['machine']
    text = (f'# Benchmarks\n\n{m["cpu"]}, {m["cpus"]} CPUs, Linux {m["kernel"]}, load {m["load"]:.1f} at the '
            'start. Times are the best of several short runs in which the programs took turns: only ratios '
            'mean something.\n\n')
    parts = (('counts', counts_table), ('ring', lambda r: ring_table(r, 1) + ring_table(r, 2)),
             ('disk', disk_table), ('blocking', blocking_table), ('many', many_table))
    text += ''.join(show(results[name]) for name, show in parts if results.get(name))
    if results['missing']:
        text += 'Left out:\n\n' + ''.join(f'- {what}\n' for what in results['missing'])
    return text
