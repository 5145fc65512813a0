"""A row of the comparison: one case, and what its launches say of each subject.

SPDX-License-Identifier: MIT
"""

import collections
import functools
import math
import statistics

import units
import verdicts

OURS = ('rouse', 'rouse-edge')
LEAST_LAUNCHES = 5  # below that a bootstrap says nothing

# What is compared, how it is said, and whether it is exact.
Quantity = collections.namedtuple('Quantity', 'name of words exact')


def percentile(values, share):
    """The exact one: as many of the sorted values as `share` are not above it."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share / 100) - 1)]


CPU = Quantity('CPU / event', lambda sample: sample['cpu_ns'] / sample['events'],
               units.nanoseconds, False)
WALL = Quantity('wall / event', lambda sample: sample['wall_ns'] / sample['events'],
                units.nanoseconds, False)
BYTES = Quantity('bytes', lambda sample: sample['bytes'] / sample['events'], units.amount, True)
LATENCY = Quantity('99 % within', lambda sample: percentile(sample['latencies_ns'], 99),
                   units.nanoseconds, False)


def maker(subject):
    return subject.split(':')[0]


def backend(subject):
    """What it waits by; libevent calls epoll by another name if it gathers changes."""
    name = subject.split(':')[1]
    return 'epoll' if name == 'changelist' else name


def is_ours(subject):
    return maker(subject) in OURS


def is_peer(subject):
    return maker(subject).startswith('lib')


class Row:
    """Made of a case and the samples of its launches."""

    def __init__(self, case, launches, counted):
        self.case = case
        self.counted = {subject: counts for (key, subject), counts in counted.items()
                        if key == case.title}
        self._launches = [self._by_place(launches[number]) for number in sorted(launches)]
        self.count = len(self._launches)
        samples = next(iter(launches.values()))
        first = samples[0]
        measured = {sample['subject'] for sample in samples}
        self.subjects = [one for one in (case.reference, *case.others) if one in measured]
        self.quantity = (BYTES if 'bytes' in first else
                         LATENCY if 'latencies_ns' in first else CPU)

    @staticmethod
    def _by_place(samples):
        rounds = collections.defaultdict(dict)
        for sample in samples:
            rounds[sample['round']][sample['place']] = sample
        return list(rounds.values())

    @functools.lru_cache(maxsize=None)
    def _values(self, subject, quantity):
        """A median for each launch; of the reference, of all its slices."""
        return tuple(statistics.median(
            quantity.of(sample) for places in launch for place, sample in places.items()
            if sample['subject'] == subject) for launch in self._launches)

    @functools.lru_cache(maxsize=None)
    def _ratios(self, subject, quantity):
        """A median for each launch of the ratios to the reference before and after."""
        of = quantity.of
        return tuple(statistics.median(
            2 * of(sample) / ((of(places[place - 1]) + of(places[place + 1])) or 1)
            for places in launch for place, sample in places.items()
            if place % 2 == 1 and sample['subject'] == subject) for launch in self._launches)

    def value(self, subject, quantity=None):
        return verdicts.interval(self._values(subject, quantity or self.quantity))

    def ratio(self, subject, other=None, quantity=None):
        """To the reference, or to another subject in the same launches; None without any."""
        quantity = quantity or self.quantity
        if self.case.family == 'calls':
            return None
        ratios = self._ratios(subject, quantity)
        if other and other != self.case.reference:
            ratios = tuple(one / two for one, two in zip(ratios, self._ratios(other, quantity)))
        return verdicts.interval(ratios)

    def of_launches(self, subject, exact):
        """A number for each launch: its ratio, or what was counted exactly."""
        return (self._values if exact else self._ratios)(subject, self.quantity)

    @property
    def least(self):
        """How many launches a verdict needs."""
        return 1 if self.quantity.exact else LEAST_LAUNCHES

    @property
    def noise(self):
        """The reference, measured against itself."""
        return self.ratio(self.case.reference)

    @property
    def floor(self):
        """How far from 1 a ratio may be and mean nothing: what the noise is above the margin."""
        if self.case.family == 'calls' or self.quantity.exact:
            return 0
        far = max(1 - self.noise.low, self.noise.high - 1)
        return far if far > verdicts.MARGIN else 0

    @property
    def trouble(self):
        """Why verdicts are not given, or not all; empty if they are."""
        if self.case.family == 'calls':
            return ''
        if self.count < self.least:
            return f'too few launches for a verdict: {self.count}'
        if self.floor:
            return (f'the noise, {units.interval(self.noise)}, is above the margin of '
                    f'{100 * verdicts.MARGIN:.0f} %: no verdicts but of what is beyond it')
        return ''

    def verdict(self, subject, other=None):
        """Where the noise is above the margin it takes its place, and nothing is a tie."""
        if self.count < self.least:
            return verdicts.NONE
        found = verdicts.verdict(self.ratio(subject, other), max(verdicts.MARGIN, self.floor))
        return verdicts.NONE if self.floor and found in verdicts.NEAR else found

    def best(self, wanted, on):
        """The cheapest of the subjects that `wanted` picks, on one backend; None if none is."""
        some = [one for one in self.subjects if wanted(one) and backend(one) == on]
        return min(some, key=lambda one: self.ratio(one).middle, default=None)

    def duels(self):
        """Our best against each peer that waits in the same way, the best of them first."""
        peers = [one for one in self.subjects if is_peer(one)]
        found = []
        for peer in sorted(peers, key=lambda one: self.ratio(one).middle):
            ours = self.best(is_ours, backend(peer))
            if ours:
                found.append((ours, peer, self.ratio(ours, peer), self.verdict(ours, peer)))
        return found

    def each(self, subject, name):
        """A count that the library itself has kept, for each event; None if it has not."""
        slices = [sample for launch in self._launches for places in launch
                  for sample in places.values() if sample['subject'] == subject]
        if not slices or name not in slices[0]:
            return None
        return sum(one[name] for one in slices) / sum(one['events'] for one in slices)

    def latencies(self, subject):
        """All that were measured."""
        return [one for launch in self._launches for places in launch
                for sample in places.values() if sample['subject'] == subject
                for one in sample['latencies_ns']]


def rows(plan, results):
    """Those of which there is anything."""
    return [Row(case, results.launches[case.title], results.counted) for case in plan.cases
            if any(results.launches[case.title].values())]
