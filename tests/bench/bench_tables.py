# SPDX-License-Identifier: MIT
"""Results of bench.py as Markdown."""
from bench_stats import QUIET

SHAPES = {'one': '1 descriptor', 'blk3': '3 descriptors (16 bytes, 4 KiB, status)',
          'indirect3': 'the same through one indirect table',
          'chain18': '2 readable + 16 writable descriptors'}
OURS = 'libvu'
TIMED = ('ring', 'disk', 'blocking')


def table(head, rows):
    lines = ['| ' + ' | '.join(head) + ' |', '| --- ' + '| ---: ' * (len(head) - 1) + '|']
    lines += ['| ' + ' | '.join(str(cell) for cell in row) + ' |' for row in rows]
    return '\n'.join(lines) + '\n\n'


def number(value, digits=0):
    return '' if value is None else f'{value:.{digits}f}'


def times(found):
    """A ratio with the spread of its turns."""
    return f'{found["ratio"]:.2f}x ({found["low"]:.2f} to {found["high"]:.2f})' if found else ''


def counts_table(counts):
    columns = [f'{layout} {mode} {batch}' for layout, mode in
               (('split', 'polling'), ('packed', 'polling'), ('split', 'using'), ('packed', 'using'),
                ('split', 'blocking')) for batch in (32, 1)]
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
            cases.setdefault(case, {})[r['library']] = r
    rows = []
    for (shape, batch, layout, event_idx), found in cases.items():
        cells = [f'{found[n][value]:.1f} {times(found[n]["ours"])}'.strip() if n in found else ''
                 for n in libraries]
        rows.append([SHAPES[shape], batch, layout + ('' if event_idx else ', no EVENT_IDX'), *cells])
    what = 'in the library' if cpus == 1 else 'all in all, library and driver on a CPU each'
    return f'## Time of a request, ns {what}\n\n' + table(['request', 'batch', 'ring', *libraries], rows)


def ratio_table(ratios):
    depths = dict.fromkeys(r['qd'] for r in ratios)
    by = {(r['of'], r['to'], r['qd']): r for r in ratios}
    rows = [[a, b, *(times(by.get((a, b, d))) for d in depths)]
            for a, b in dict.fromkeys((r['of'], r['to']) for r in ratios)]
    return 'How many times faster: the ratio of the median latencies, and where half of all turns lie:\n\n' + \
        table(['of', 'to', *(f'qd {d}' for d in depths)], rows)


def disk_table(disk):
    by = {(r['backend'], r['qd']): r for r in disk['results']}
    names, depths = dict.fromkeys(n for n, _ in by), dict.fromkeys(d for _, d in by)
    rows = [[name, *(f'{by[name, d]["iops_best_5ms"] / 1000:.0f}' for d in depths),
             *(number(by[name, d]['latency_ns']['p50'] / 1000, 1) for d in depths)] for name in names]
    return '## 4 KiB random reads, polling front-end on one CPU, back-end on the other\n\n' \
        'Thousand a second, in the best 5 ms of all turns, and the median of the median latencies in us.\n\n' + \
        table(['back-end', *(f'qd {d}' for d in depths), *(f'us, qd {d}' for d in depths)], rows) + \
        ratio_table(disk['ratios'])


def blocking_table(blocking):
    rows = [[r['backend'], f'{r["iops_best_5ms"] / 1000:.1f}', number(r['latency_ns']['p50'] / 1000, 1),
             number(r['latency_ns']['p99'] / 1000, 1), number(r['system_calls'], 2)]
            for r in blocking['results']]
    return '## 4 KiB random reads, blocking, queue depth 1\n\n' + \
        table(['back-end', 'thousand a second, best 5 ms', 'p50 us', 'p99 us', "back-end's system calls a request"],
              rows) + ratio_table(blocking['ratios'])


def many_table(many):
    one = many[0]['rss_kib']
    rows = [[r['devices'], r['rss_kib'],
             number((r['rss_kib'] - one) / (r['devices'] - 1), 1) if r['devices'] > 1 else '',
             number(r['cpu_ms_of_a_second'], 2), r['served'], number(r['instructions']), r['ns']]
            for r in many]
    return '## Many devices in one process\n\n' + \
        table(['devices', 'idle: KiB', 'KiB each beyond the first', 'CPU ms in a second', 'served',
               'instructions of a request on one', 'ns'], rows)


def warning(busy):
    """What to think of times that were taken on a busy machine."""
    if not busy or busy['share'] <= QUIET:
        return ''
    text = f'**Between the turns the machine was {busy["share"]:.0%} busy with other things.** '
    if busy['priority']:
        return text + 'The turns went before all that, but caches and memory are shared: look at the spread.\n\n'
    return text + ('Programs that are close cannot be told apart like that, and what uses both CPUs looks worse '
                   'than it is.\n\n')


def markdown(results):
    m = results['machine']
    text = (f'# Benchmarks\n\n{m["cpu"]}, {m["cpus"]} CPUs, Linux {m["kernel"]}, load {m["load"]:.1f} at the '
            'start. The programs took turns of short runs: only ratios mean something.\n\n')
    parts = (('counts', counts_table), ('ring', lambda r: ring_table(r, 1) + ring_table(r, 2)),
             ('disk', disk_table), ('blocking', blocking_table), ('many', many_table))
    for name, show in parts:
        if results.get(name):
            title, rest = show(results[name]).split('\n\n', 1)
            text += title + '\n\n' + (warning(results['busy'].get(name)) if name in TIMED else '') + rest
    if results['missing']:
        text += 'Left out:\n\n' + ''.join(f'- {what}\n' for what in results['missing'])
    return text
