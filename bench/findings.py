"""What each picture shows, in one sentence of plain words made from the samples: its title.

Empty if there are too few samples to say so; but each is only asked if there is a picture.

SPDX-License-Identifier: MIT
"""

import statistics

import fits
from plan import BASE
from rungs import listing
from tables import against_base, awake, stacks
from units import digits, size


def turn(found):
    """Where a turn grows with N, and where it does not."""
    def those(verdict, words):
        names = [one.rung.backend for one in found if fits.verdict(one) == verdict]
        return [f'{words} on {listing(names)}'] if names else []

    parts = (those('O(N)', 'more') + those('between flat and O(N)', 'a little more') +
             those('flat', 'the same'))
    return parts and f'When more is watched, a turn costs {listing(parts, ", and ")}'


def work(samples, rungs):
    """Which wait copies most, and which least, at the largest N that is measured."""
    copied = []
    for rung in rungs:
        for shape, row in samples.of('idle', rung.backend):
            each = row.work()
            copied.append((shape.n, each['bytes_in'] + each['bytes_out'], rung.backend))
    most = max(n for n, _, _ in copied)
    copied = sorted((held, backend) for n, held, backend in copied if n == most)
    parts = [f'{backend} copies {size(held)}' for held, backend in (copied[-1], copied[0])]
    return f'To find the one that is ready among {most:,}, {listing(list(dict.fromkeys(parts)))}'


def _range(values):
    low, high = f'{min(values):.2f}', f'{max(values):.2f}'
    return low if low == high else f'{low} to {high}'


def _taxes(samples, rungs, workloads, least=0):
    """Pairs of a backend and its taxes."""
    for rung in rungs:
        taxes = [row.tax().middle for workload in workloads
                 for shape, row in samples.of(workload, rung.backend)
                 if row.tax() and shape.n >= least]
        if taxes and not rung.lesson:
            yield rung.backend, taxes


def tax(samples, rungs):
    parts = [f'{_range(taxes)} on {backend}'
             for backend, taxes in _taxes(samples, rungs, ('chain', 'echo'))]
    return parts and f'Where a loop written by hand takes 1, the library takes {listing(parts)}'


def tax_by_n(samples, rungs):
    parts = [f'{max(taxes):.2f} on {backend}'
             for backend, taxes in _taxes(samples, rungs, ('idle',), least=100)]
    return parts and f'From N = 100 on the library takes at most {listing(parts)}'


def against(samples, rungs):
    """The cheapest way to watch, but for BASE itself."""
    ways = {}
    for rung in rungs:
        for shape, row in against_base(samples, rung) if rung.backend != BASE else ():
            ways.setdefault((rung.backend, shape.edge), []).append(row.tax().middle)
    if not ways:
        return ''
    (backend, edge), ratios = min(ways.items(), key=lambda way: statistics.median(way[1]))
    return (f'{backend} with {"edge" if edge else "level"} watchers takes {_range(ratios)} of the '
            f'time of a loop written by hand on {BASE}')


def memory(samples, rungs):
    """What the most threads take, and what the first backend takes for as many descriptors."""
    shape, held = max(samples.held('hold'), key=lambda one: one[1]['threads_held'])
    said = (f'To watch {shape.n:,} descriptors, {shape.backend} takes '
            f'{size(1024 * held["size_kb_held"])} of addresses, '
            f'{size(1024 * held["resident_kb_held"])} of memory and {size(stacks(held))} of kernel '
            'stacks')
    for other, sample in samples.held('hold', rungs[0].backend):
        if other.n == shape.n and other.backend != shape.backend:
            said += f'; {other.backend} takes {size(1024 * sample["resident_kb_held"])} of memory'
    return said


def asleep(samples, rungs):
    """Who is awake while nothing happens."""
    shares = {rung.backend: awake(held) for rung in rungs
              for _, held in samples.held('hold', rung.backend)[-1:]}
    parts = [f'{backend} keeps a processor busy {digits(share, 2)} % of the time'
             for backend, share in shares.items() if share >= 1]
    sleeping = [backend for backend, share in shares.items() if share < 1]
    if sleeping:
        parts.append(f'{listing(sleeping)} {"sleep" if len(sleeping) > 1 else "sleeps"}')
    return f'While nothing happens: {listing(parts, "; ")}'
