"""Raw samples, and what is said of them.

Subjects take turns with a raw loop, the reference. A slice of the library over the mean of the two
of the reference before and after it is one ratio: the tax. Times and ratios are given as a median
and the interval that holds the true median in 95 of 100 cases. It is read off the sorted values and
assumes nothing of how they are spread: as many of them lie below the true median as a coin shows
heads.

SPDX-License-Identifier: MIT
"""

import collections
import math
import statistics

Interval = collections.namedtuple('Interval', 'low middle high')
# `against` is the backend whose raw loop was the reference: empty if it is the same.
Shape = collections.namedtuple('Shape', 'workload backend n active timers edge against')
# A slice of the library, and the places of its round: what stands at which.
Slice = collections.namedtuple('Slice', 'sample places')

# What tells a round from others.
ROUND = ('workload', 'subjects', 'n', 'active', 'timers', 'launch', 'round')
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
        self.slices = []
        self.held = None  # what it took to hold them all, of echo and hold

    def _raw(self):
        """Pairs of a slice of the library and those of the reference before and after it."""
        for sample, places in self.slices:
            before = places.get(sample['place'] - 1)
            after = places.get(sample['place'] + 1)
            if before and after:
                yield sample, (before, after)

    def time(self):
        """CPU nanoseconds of the library for each event."""
        return median([sample['cpu_ns'] / sample['events'] for sample, _ in self.slices])

    def raw_time(self):
        """The same of the raw loop."""
        return median([one['cpu_ns'] / one['events'] for _, around in self._raw()
                       for one in around])

    def tax(self):
        """rouse / raw; None where there is no raw loop."""
        return median([2 * sample['cpu_ns'] / sum(one['cpu_ns'] for one in around)
                       for sample, around in self._raw()])

    def work(self):
        """The counted work of the library for each wait; as `waits`, its waits for each event."""
        total = {name: sum(sample[name] for sample, _ in self.slices) for name in WORK}
        each = {name: total[name] / max(total['waits'], 1) for name in WORK}
        each['waits'] = self.each('waits')
        return each

    def each(self, name):
        """How much of something the library's slices had for each event."""
        return (sum(sample[name] for sample, _ in self.slices) /
                sum(sample['events'] for sample, _ in self.slices))


class Samples:
    """All rows, by shape. A sample is what rouse-measure has printed, with the number of its
    `launch` and with the `subjects` that took turns."""

    def __init__(self):
        self.rows = {}
        self.rounds = collections.defaultdict(dict)  # the places of each

    def add(self, sample):
        reference = sample['subjects'][0]
        alone = len(sample['subjects']) == 1
        places = self.rounds[str([sample[name] for name in ROUND])]
        places[sample['place']] = sample
        if sample['subject'] == reference and not alone:
            return
        maker, backend = sample['subject'].split(':')
        against = reference.split(':')[1]
        row = self.rows.setdefault(
            Shape(sample['workload'], backend, sample['n'], sample['active'], sample['timers'],
                  maker == 'rouse-edge', against if against != backend else ''), Row())
        if 'idle_ns' in sample:
            row.held = sample
        else:
            row.slices.append(Slice(sample, places))

    def of(self, workload, backend=None, against=''):
        """Pairs of shape and row that have a slice of the library, smallest shape first."""
        return self._those(workload, backend, lambda shape, row: row.slices and
                           shape.against == against)

    def held(self, workload, backend=None):
        """Pairs of shape and what it took to hold so many."""
        return [(shape, row.held) for shape, row in
                self._those(workload, backend, lambda shape, row: row.held)]

    def _those(self, workload, backend, wanted):
        return sorted(((shape, row) for shape, row in self.rows.items()
                       if shape.workload == workload and backend in (None, shape.backend)
                       and wanted(shape, row)), key=lambda item: item[0])
