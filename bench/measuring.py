"""Does what a plan says: launches rouse-measure again and again, and keeps what it prints.

Each case is launched once before any is launched for the second time, in an order that is drawn
anew for each time, so that what drifts in an hour does not always fall upon the same case. Counting
comes last; it is not timed.

SPDX-License-Identifier: MIT
"""

import collections
import random
import statistics
import sys
import time

import counting
import program
from progress import Progress

BUSY = 1.15  # wall time over CPU time of a loop that never sleeps
PROBE = ['chain', 'raw:epoll,raw:epoll', 'n=100', 'rounds=30', 'slice_us=4000']


def say(text):
    print(f'bench/peers: {text}', file=sys.stderr)


def noise():
    """How this machine is now: a loop against itself. Half of the ratios of its slices are within
    `slices` of one another; `wall_over_cpu` is 1 if it has a processor for itself."""
    samples = []
    program.run(PROBE, samples.append)
    rounds = collections.defaultdict(dict)
    for sample in samples:
        rounds[sample['round']][sample['place']] = sample['cpu_ns']
    ratios = [2 * cpu[1] / (cpu[0] + cpu[2]) for cpu in rounds.values()]
    low, _, high = statistics.quantiles(ratios, n=4)
    wall = statistics.median(sample['wall_ns'] / sample['cpu_ns'] for sample in samples)
    return {'slices': round(high - low, 4), 'wall_over_cpu': round(wall, 3)}


def warn_of_noise(found):
    if counting.processors() == 1:
        say('there is one processor: workloads of several threads or processes share it, and are '
            'slower in wall time than elsewhere')
    if found['wall_over_cpu'] > BUSY:
        say(f'this machine is busy: a loop that never sleeps takes {found["wall_over_cpu"]:.2f} '
            'times its CPU time. Rows whose noise is above the margin get no verdict; to have '
            'them, run it when the machine is idle')


class Measuring:
    """Of one run: what is due, how long it will take, and what has gone wrong."""

    def __init__(self, plan, results):
        self.plan = plan
        self.results = results
        self.failed = {}  # a case -> why it was given up
        self.progress = Progress()
        self.due = [(launch, case) for launch in range(self._most())
                    for case in self._drawn(launch)]
        self.tools = counting.tools()
        self.to_count = [(case, subject) for case in plan.cases if case.counted
                         for subject in (case.reference, *case.others)
                         if (case.title, subject) not in results.counted]
        if not self.tools:
            self.to_count = []

    def _most(self):
        return max((case.effort.launches for case in self.plan.cases), default=0)

    def _drawn(self, launch):
        cases = [case for case in self.plan.cases if launch < case.effort.launches]
        random.Random(launch).shuffle(cases)
        return [case for case in cases if launch not in self.results.launches[case.title]]

    def _seconds(self, case):
        taken = self.results.seconds[case.title]
        return statistics.mean(taken) if taken else case.seconds()

    def left(self, launches, counts):
        """Seconds, of so many that are to come."""
        return (sum(self._seconds(case) for _, case in launches) +
                1.5 * counts * len(self.tools) / counting.processors())

    def _show(self, launches, counts, text):
        left = self.left(launches, counts)
        spent = time.monotonic() - self.progress.began
        self.progress.show(spent / (spent + left) if spent + left else 1, left, text)

    def run(self):
        """Returns what the command will end with."""
        try:
            for place, (launch, case) in enumerate(self.due):
                if case.title not in self.failed:
                    self._show(self.due[place:], len(self.to_count),
                               f'{case.title}, launch {launch + 1}')
                    self._launch(launch, case)
            self._count()
        except KeyboardInterrupt:
            self.progress.clear()
            say('interrupted; this is what there is. --resume measures the rest')
            return 130
        self.progress.clear()
        return 1 if self.failed else 0

    def _launch(self, launch, case):
        samples = []
        began = time.monotonic()
        try:
            program.run(case.arguments(launch), samples.append)
        except program.Failure as failure:
            self._fail(case, str(failure))
            return
        self.results.keep(case.title, launch, samples, time.monotonic() - began)

    def _fail(self, case, why):
        self.progress.clear()
        say(why)
        self.failed[case.title] = why

    def _count(self):
        waiting = [len(self.to_count)]

        def keep(case, subject, counts):
            waiting[0] -= 1
            self._show((), waiting[0], 'counting')
            if isinstance(counts, Exception):
                self._fail(case, str(counts))
            else:
                self.results.count(case.title, subject, counts)

        self._show((), waiting[0], 'counting')
        counting.count_all([(case, subject) for case, subject in self.to_count
                            if case.title not in self.failed], self.tools, keep)


def is_whole(plan, results):
    """Whether all that is planned has been measured."""
    return all(len(results.launches[case.title]) >= case.effort.launches for case in plan.cases)
