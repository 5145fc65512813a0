"""What is measured: which workloads, of which shapes, on which backend; and why no more.

SPDX-License-Identifier: MIT
"""

import collections
import random
import resource

RESERVE = 16  # descriptors that rouse-measure needs for itself
CONNECTIONS = 10000
ACTIVE = 64
HELD = (100, 1000, 10000)
BASE = 'epoll'  # the backend whose raw loop all others are measured against as well

# n, active, timers pending, edge
CHAINS = ((100, 1, 0, 0), (100, 1, 0, 1), (100, 1, 3, 0), (100, 1, 3, 1), (1000, 1, 0, 0),
          (1000, 1, 0, 1), (1000, 100, 0, 0), (1000, 100, 0, 1))

# How much to measure. A round runs every case once, in a new process, with so many pairs of slices;
# N of idle goes up to `most` by `step`. Lessons are slow, and no numbers to choose by.
Effort = collections.namedtuple('Effort',
                                'rounds pairs slice_us step most chains c10k_pairs idle_ms')
FULL = Effort(8, 6, 4000, 2, 32768, CHAINS, 40, 500)
FULL_LESSON = Effort(2, 4, 4000, 4, 4096, (CHAINS[0], CHAINS[6]), 2, 500)
QUICK = Effort(2, 5, 2000, 4, 10000, CHAINS, 6, 200)
QUICK_LESSON = Effort(1, 6, 1000, 4, 1000, CHAINS[:1], 0, 200)


class Plan:
    """The cases, each the arguments of rouse-measure, and what a reader must know of them."""

    def __init__(self, rungs, base, quick):
        self.effort = QUICK if quick else FULL
        self.lesson = QUICK_LESSON if quick else FULL_LESSON
        self.base = base  # whether BASE has a raw loop here
        self.limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self.notes = {'idle': [], 'chain': [], 'c10k': [], 'hold': []}
        self.warnings = []
        self.lessons = {rung.backend for rung in rungs if rung.lesson}
        self.cases = []  # pairs of a case and in how many rounds it is run
        self.last_cases = []
        for rung in rungs:
            effort = self.lesson if rung.lesson else self.effort
            self._idle(rung, effort)
            self._chain(rung, effort)
            self._hold(rung, effort, rung.lesson or rung is rungs[0])
            self._c10k(rung, effort)

    @staticmethod
    def _arguments(workload, rung, **settings):
        return [workload, rung.backend] + [f'{key}={value}' for key, value in settings.items()]

    def _case(self, workload, rung, effort, **settings):
        case = self._arguments(workload, rung, **settings, pairs=effort.pairs,
                               slice_us=effort.slice_us)
        if (case, effort.rounds) not in self.cases:
            self.cases.append((case, effort.rounds))

    def _room(self, rung):
        """How many descriptors a process may watch, and why no more."""
        below = rung.fd_limit
        if below and below < self.limit:
            constant = ' (FD_SETSIZE)' if rung.backend == 'select' else ''
            return below - RESERVE, f'it watches only descriptors below {below:,}{constant}'
        return self.limit - RESERVE, f'this machine gives a process {self.limit:,} descriptors'

    def _idle(self, rung, effort):
        most, why = self._room(rung)
        if most > effort.most:
            most, why = effort.most, 'more would take too long'
        n = 1
        while n * 1.5 < most:
            self._case('idle', rung, effort, n=n)
            n *= effort.step
        self._case('idle', rung, effort, n=most)
        self.notes['idle'].append(f'{rung.backend} stops at N = {most:,}: {why}.')

    def _chain(self, rung, effort):
        """Each on its own raw loop, and but for lessons on that of BASE too."""
        most = min(self._room(rung)[0], self.limit // 2 - RESERVE)  # a pipe has two ends
        for n, active, timers, edge in effort.chains:
            shape = {'n': min(n, most), 'active': min(active, most), 'timers': timers,
                     'edge': edge}
            self._case('chain', rung, effort, **shape)
            if self.base and rung.backend != BASE and not rung.lesson and not timers:
                self._case('chain', rung, effort, **shape, against=BASE)
        wanted = max(effort.chains)[0]
        if most < wanted:
            self.notes['chain'].append(
                f'{rung.backend} has at most {most:,} pipes: {wanted:,} need '
                f'{2 * (wanted + RESERVE):,} descriptors.')

    def _hold(self, rung, effort, all_sizes):
        most, why = self._room(rung)
        sizes = [n for n in HELD if n <= most]
        for n in sizes if all_sizes else sizes[-1:]:
            self.last_cases.append(self._arguments('hold', rung, n=n, idle_ms=effort.idle_ms // 2))
        if most < max(HELD):
            self.notes['hold'].append(f'{rung.backend} cannot watch {max(HELD):,}: {why}.')

    def _c10k(self, rung, effort):
        """Lessons are slow to start and to serve: theirs are a few requests in one loop."""
        room, why = self._room(rung)
        connections = min(CONNECTIONS, self.limit - RESERVE)
        if connections > room:
            self.notes['c10k'].append(
                f'{rung.backend} is left out: it cannot hold {connections:,} connections, '
                f'{why}.')
            return
        if connections < CONNECTIONS and not self.warnings:
            needed = CONNECTIONS + RESERVE
            self.warnings.append(
                f'{CONNECTIONS:,} connections need {needed:,} descriptors, and the limit is '
                f'{self.limit:,}: measuring with {connections:,}. To raise it: ulimit -n {needed} '
                '(above the hard limit as root)')
        active = min(ACTIVE, connections)
        amount = ({'raw': 0, 'events': 10 * active} if rung.lesson
                  else {'slice_us': 4 * effort.slice_us})
        self.last_cases.append(self._arguments(
            'c10k', rung, connections=connections, active=active, pairs=effort.c10k_pairs,
            idle_ms=effort.idle_ms, **amount))

    def in_order(self):
        """Pairs of round and case. Each round has an order of its own, so that what drifts does not
        always fall upon the same case; the connections come once, at the end."""
        order = random.Random(1)
        for number in range(self.effort.rounds):
            due = [case for case, rounds in self.cases if number < rounds]
            for case in order.sample(due, len(due)):
                yield number, case
        for case in self.last_cases:
            yield 0, case
