"""The tables that bench/compare makes of its samples.

SPDX-License-Identifier: MIT
"""

import fits
from plan import BASE
from rungs import title
from table import Table
from units import amount, digits, nanoseconds, size

ABREAST = 3  # backends side by side in one table
AGAINST = 4
WORK_NOTE = ("The loop's own wake descriptor is one more than N; select hands over every number up "
             'to the highest.')


def ratio(found):
    """A ratio and its interval."""
    return f'{found.middle:.3f} ({found.low:.3f}-{found.high:.3f})'


def tax(rung, shape, row):
    """The tax and its interval."""
    found = row.tax()
    if not found:
        return '' if rung.raw else 'no raw loop'
    return ratio(found)


def _abreast(samples, workload, rungs, head, name_of):
    """Tables of time and tax: a line for each shape, a few backends side by side."""
    tables = []
    for i in range(0, len(rungs), ABREAST):
        some = rungs[i:i + ABREAST]
        rows = {}
        for j, rung in enumerate(some):
            for shape, row in samples.of(workload, rung.backend):
                cells = rows.setdefault(shape._replace(backend=''),
                                        [name_of(shape)] + ['', ''] * len(some))
                cells[1 + 2 * j:3 + 2 * j] = [nanoseconds(row.time().middle),
                                              tax(rung, shape, row)]
        if rows:
            tables.append(Table([head] + ['time', 'tax'] * len(some),
                                [rows[shape] for shape in sorted(rows)],
                                [(title(rung), 2) for rung in some]))
    return tables


def idle(samples, rungs):
    return _abreast(samples, 'idle', rungs, 'N', lambda shape: f'{shape.n:,}')


def chain_name(shape):
    name = f'n={shape.n} a={shape.active} {"edge" if shape.edge else "level"}'
    return f'{name}, {shape.timers} timers' if shape.timers else name


def chain_words(shape):
    """The same for those who have not read what n and a are."""
    words = f'{shape.n:,} pipes, {shape.active:,} ready, {"edge" if shape.edge else "level"}'
    return f'{words}, {shape.timers} timers' if shape.timers else words


def chain(samples, rungs):
    return _abreast(samples, 'chain', rungs, 'shape', chain_name)


def against_base(samples, rung):
    """Pairs of shape and row: a backend of the library with the raw loop on BASE beside it."""
    if rung.backend != BASE:
        rows = samples.of('chain', rung.backend, BASE)
    else:
        rows = [(shape, row) for shape, row in samples.of('chain', BASE) if not shape.timers]
    return [(shape, row) for shape, row in rows if row.tax()]


def against(samples, rungs):
    """The library on each backend over the raw loop on BASE."""
    tables = []
    rungs = [rung for rung in rungs if against_base(samples, rung)]
    for i in range(0, len(rungs), AGAINST):
        some = rungs[i:i + AGAINST]
        rows = {}
        for j, rung in enumerate(some):
            for shape, row in against_base(samples, rung):
                cells = rows.setdefault(shape._replace(backend='', against=''),
                                        [chain_name(shape)] + [''] * len(some))
                cells[1 + j] = ratio(row.tax())
        tables.append(Table(['shape'] + [rung.backend for rung in some],
                            [rows[shape] for shape in sorted(rows)]))
    return tables


def work(samples, rungs):
    """The counted work of a wait of `idle`, at the smallest, a middle and the largest N."""
    rows = []
    for rung in rungs:
        of = samples.of('idle', rung.backend)
        for i in sorted({0, len(of) // 2, len(of) - 1} if of else ()):
            shape, row = of[i]
            each = row.work()
            rows.append([f'{title(rung)} N={shape.n:,}'] +
                        [amount(value) for value in each.values()])
    head = ['', 'waits/event', 'system calls', 'descriptors', 'bytes in', 'bytes out', 'scanned']
    return [Table(head, rows)] if rows else []


def awake(held):
    """The share of the time in which it ran, in %, while nothing happened; the time in which it
    waited for a processor that others had does not count."""
    return 100 * held['idle_cpu_ns'] / max(held['idle_ns'] - held['idle_waited_ns'],
                                           held['idle_cpu_ns'], 1)


def stacks(held):
    """The kernel's stacks for the threads that a process has started, in bytes."""
    return 1024 * (held['kernel_stacks_kb_held'] - held['kernel_stacks_kb_before'])


def _footprint(held):
    return [f'{held["threads_held"]:,}', size(1024 * held['size_kb_held']),
            size(1024 * held['resident_kb_held']),
            size(stacks(held)) if held['threads_held'] > 1 else '']


def hold(samples, rungs):
    """What it takes to hold N descriptors, and to serve an event with so many held."""
    rows = []
    for rung in rungs:
        for shape, held in samples.held('hold', rung.backend):
            rows.append([f'{title(rung)} N={shape.n:,}', *_footprint(held),
                         nanoseconds(held['start_ns']), f'{digits(awake(held), 2)} %',
                         amount(held['switches'] / held['events']),
                         amount(held['empty'] / held['events'])])
    head = ['', 'threads', 'addresses', 'resident', 'kernel stacks', 'to start', 'awake',
            'switches / event', 'EAGAINs / event']
    return [Table(head, rows)] if rows else []


def echo(samples, rungs):
    rows = []
    for rung in rungs:
        for shape, held in samples.held('echo', rung.backend):
            row = samples.rows[shape]
            each = 1024 * (held['resident_kb_held'] - held['resident_kb_before']) / shape.n
            time = row.time().middle if row.slices else held['cpu_ns'] / held['events']
            rows.append([title(rung), f'{shape.n:,}', *_footprint(held), f'{each:,.0f} B',
                         f'{digits(awake(held), 2)} %', nanoseconds(time), tax(rung, shape, row)])
    head = ['', 'held', 'threads', 'addresses', 'resident', 'kernel stacks', 'each', 'awake',
            'CPU/request', 'tax']
    return [Table(head, rows)] if rows else []


def summary(samples, rungs, found):
    """The last line: what the run has shown, in one sentence."""
    parts = [f'{one.rung.backend} {fits.short(one)}' for one in found]
    for shape, row in samples.of('chain', rungs[0].backend):
        if row.tax() and chain_name(shape) == 'n=100 a=1 level':
            parts.append(f'tax on {shape.backend} {row.tax().middle:.2f}')
    for rung in rungs:
        for shape, row in against_base(samples, rung) if rung.backend != BASE else ():
            if chain_name(shape) == 'n=100 a=1 edge' and row.tax().middle < 1:
                parts.append(f'{rung.backend} {row.tax().middle:.2f} of raw {BASE}')
    held = {shape.backend: shape.n for shape, _ in samples.held('echo')}
    if held:
        parts.append(f'{min(held.values()):,} connections held on '
                     f'{", ".join(rung.backend for rung in rungs if rung.backend in held)}')
    return '; '.join(parts) or 'nothing was measured'
