"""Raw samples, and what is said of them.

Each pair of slices, the library's and the raw loop's, gives one ratio: the tax. Times and ratios
are given as a median and the interval that holds the true median in 95 of 100 cases. It is read off
the sorted values and assumes nothing of how they are spread: as many of them lie below the true
median as a coin shows heads.

SPDX-License-Identifier: MIT
"""

import collections
import math
import statistics

Interval = collections.namedtuple('Interval', 'low middle high')
# `against` is the backend whose raw loop was run: empty if it is the same.
Shape = collections.namedtuple('Shape', 'workload backend n active timers edge against')

WORK = ('waits', 'system_calls', 'descriptors', 'bytes_in', 'bytes_out', 'scanned')


def median(values):
    """The median and its 95 % interval; None if there are no values."""
    if not values:
        return None
    ordered = sorted(values)
    count = len(ordered)
    skip = 0  # so many at either end lie outside
    outside = 0.5**count  # the chance that no more than these are below the true median
    while outside + math.comb(count, skip + 1) * 0.5**count <= 0.025:
        skip += 1
        outside += math.comb(count, skip) * 0.5**count
    return Interval(ordered[skip], statistics.median(ordered), ordered[count - 1 - skip])


class Row:
    """All samples of one workload of one shape on one backend."""

    def __init__(self):
        self.pairs = {}  # (round, pair) -> {'rouse': sample, 'raw': sample}
        self.held = None  # what it took to hold them all, of c10k and hold

    def add(self, sample):
        if 'pair' in sample:
            pair = self.pairs.setdefault((sample['round'], sample['pair']), {})
            pair[sample['loop']] = sample
        else:
            self.held = sample

    def _slices(self, loop):
        return [pair[loop] for pair in self.pairs.values() if loop in pair]

    def time(self, loop='rouse'):
        """CPU nanoseconds for each event."""
        return median([sample['cpu_ns'] / sample['events'] for sample in self._slices(loop)])

    def tax(self):
        """rouse / raw; None where there is no raw loop."""
        return median([pair['rouse']['cpu_ns'] / pair['raw']['cpu_ns']
                       for pair in self.pairs.values() if len(pair) == 2])

    def work(self):
        """The counted work of the library for each wait; as `waits`, its waits for each event."""
        slices = self._slices('rouse')
        total = {name: sum(sample[name] for sample in slices) for name in WORK}
        each = {name: total[name] / max(total['waits'], 1) for name in WORK}
        each['waits'] = total['waits'] / sum(sample['events'] for sample in slices)
        return each

    def each(self, name):
        """How much of something the library's slices had for each event."""
        slices = self._slices('rouse')
        return sum(sample[name] for sample in slices) / sum(sample['events'] for sample in slices)


class Samples:
    """All rows, by shape."""

    def __init__(self):
        self.rows = {}

    def add(self, sample):
        shape = Shape(sample['workload'], sample['backend'],
                      sample.get('n', sample.get('connections')), sample.get('active', 1),
                      sample.get('timers', 0), sample.get('watch') == 'edge',
                      sample.get('against', ''))
        self.rows.setdefault(shape, Row()).add(sample)

    def of(self, workload, backend=None, against=''):
        """Pairs of shape and row that have a slice of the library, smallest shape first."""
        return self._those(workload, backend, lambda shape, row: row.time() and
                           shape.against == against)

    def held(self, workload, backend=None):
        """Pairs of shape and what it took to hold so many."""
        return [(shape, row.held) for shape, row in
                self._those(workload, backend, lambda shape, row: row.held)]

    def _those(self, workload, backend, wanted):
        return sorted(((shape, row) for shape, row in self.rows.items()
                       if shape.workload == workload and backend in (None, shape.backend)
                       and wanted(shape, row)), key=lambda item: item[0])
