"""The tables, once for the terminal and once for the page.

SPDX-License-Identifier: MIT
"""

import html

import fits
from units import amount, kilobytes, nanoseconds

ABREAST = 3  # backends side by side in one table
WORK_NOTE = ("The loop's own wake descriptor is one more than N; select hands over every number up "
             'to the highest.')


class Table:
    """Rows of strings under a head; the first column is text, the others are numbers."""

    def __init__(self, head, rows, groups=()):
        self.head = head
        self.rows = rows
        self.groups = groups  # what stands over the head: a name, and how many columns it spans

    def text(self):
        lines = [self.head] + self.rows
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.head))]
        over = ' ' * widths[0]
        first = 1
        for name, span in self.groups:
            widths[first] += max(0, len(name) - sum(widths[first:first + span]) - 2 * (span - 1))
            over += '  ' + name.rjust(sum(widths[first:first + span]) + 2 * (span - 1))
            first += span
        made = [over] if self.groups else []
        for line in lines:
            cells = [cell.rjust(width) for cell, width in zip(line[1:], widths[1:])]
            made.append('  '.join([line[0].ljust(widths[0])] + cells).rstrip())
        return '\n'.join(made)

    def html(self):
        def row(cells, tag):
            rest = ''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells[1:])
            return f'<tr><th scope="row">{html.escape(cells[0])}</th>{rest}</tr>\n'

        over = ''.join(f'<th colspan="{span}">{html.escape(name)}</th>'
                       for name, span in self.groups)
        over = f'<tr><th></th>{over}</tr>\n' if over else ''
        body = ''.join(row(cells, 'td') for cells in self.rows)
        return (f'<div class="wide"><table>\n<thead>\n{over}{row(self.head, "th")}</thead>\n'
                f'<tbody>\n{body}</tbody>\n</table></div>')


def tax(row):
    """The tax and its interval."""
    found = row.tax()
    return f'{found.middle:.3f} ({found.low:.3f}-{found.high:.3f})' if found else 'no raw loop'


def _abreast(samples, workload, backends, head, name_of):
    """Tables of time and tax: a line for each shape, a few backends side by side."""
    tables = []
    for i in range(0, len(backends), ABREAST):
        some = backends[i:i + ABREAST]
        rows = {}
        for j, backend in enumerate(some):
            for shape, row in samples.of(workload, backend):
                cells = rows.setdefault(shape._replace(backend=''),
                                        [name_of(shape)] + ['', ''] * len(some))
                cells[1 + 2 * j:3 + 2 * j] = [nanoseconds(row.time().middle), tax(row)]
        if rows:
            tables.append(Table([head] + ['time', 'tax'] * len(some),
                                [rows[shape] for shape in sorted(rows)],
                                [(backend, 2) for backend in some]))
    return tables


def idle(samples, backends):
    return _abreast(samples, 'idle', backends, 'N', lambda shape: f'{shape.n:,}')


def chain_name(shape):
    name = f'n={shape.n} a={shape.active} {"edge" if shape.edge else "level"}'
    return f'{name}, {shape.timers} timers' if shape.timers else name


def chain(samples, backends):
    return _abreast(samples, 'chain', backends, 'shape', chain_name)


def work(samples, backends):
    """The counted work of a wait of `idle`, at the smallest, a middle and the largest N."""
    rows = []
    for backend in backends:
        of = samples.of('idle', backend)
        for i in sorted({0, len(of) // 2, len(of) - 1} if of else ()):
            shape, row = of[i]
            each = row.work()
            rows.append([f'{backend} N={shape.n:,}'] + [amount(value) for value in each.values()])
    head = ['', 'waits/event', 'system calls', 'descriptors', 'bytes in', 'bytes out', 'scanned']
    return [Table(head, rows)] if rows else []


def c10k(samples, backends):
    rows = []
    for backend in backends:
        for _, row in samples.of('c10k', backend):
            held = row.held
            each = 1024 * (held['resident_held_kb'] - held['resident_before_kb']) / held['held']
            rows.append([backend, f'{held["held"]:,}', kilobytes(held['resident_held_kb']),
                         f'{each:.0f} B', nanoseconds(held['idle_cpu_ns']),
                         nanoseconds(row.time().middle), tax(row)])
    head = ['', 'held', 'resident', 'each', 'CPU, all idle', 'CPU/request', 'tax']
    return [Table(head, rows)] if rows else []


def summary(samples, backends, found):
    """The last line: what the run has shown, in one sentence."""
    parts = [f'{one.backend} {fits.short(one)}' for one in found]
    for shape, row in samples.of('chain', backends[0]):
        if row.tax() and chain_name(shape) == 'n=100 a=1 level':
            parts.append(f'tax on {shape.backend} {row.tax().middle:.2f}')
    held = {shape.backend: row.held['held'] for shape, row in samples.of('c10k')}
    if held:
        parts.append(f'{min(held.values()):,} connections held on {", ".join(held)}')
    return '; '.join(parts) or 'nothing was measured'
