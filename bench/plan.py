"""What is measured: which workloads, of which shapes, on which backend; and why no more.

SPDX-License-Identifier: MIT
"""

import collections
import random
import resource

RESERVE = 16  # descriptors that rouse-measure needs for itself
MOST_IDLE = 32768  # where the limit allows more than there is time for
CONNECTIONS = 10000
ACTIVE = 64

# How much to measure. A round runs every case once, in a new process, with so many pairs of slices;
# N grows by `step`.
Effort = collections.namedtuple('Effort', 'rounds pairs slice_us step c10k_pairs idle_ms')
FULL = Effort(rounds=8, pairs=6, slice_us=4000, step=2, c10k_pairs=40, idle_ms=1000)
QUICK = Effort(rounds=3, pairs=4, slice_us=2000, step=4, c10k_pairs=8, idle_ms=300)

# n, active, timers pending, edge
CHAINS = ((100, 1, 0, 0), (100, 1, 0, 1), (100, 1, 3, 0), (100, 1, 3, 1), (1000, 1, 0, 0),
          (1000, 1, 0, 1), (1000, 100, 0, 0), (1000, 100, 0, 1))


class Plan:
    """The cases, each the arguments of rouse-measure, and what a reader must know of them."""

    def __init__(self, rungs, effort):
        self.effort = effort
        self.limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self.notes = {'idle': [], 'chain': [], 'c10k': []}
        self.warnings = []
        self.cases = []
        self.last_cases = []
        for rung in rungs:
            self._idle(rung)
            self._chain(rung)
            self._c10k(rung)

    def _case(self, workload, rung, **settings):
        settings.setdefault('slice_us', self.effort.slice_us)
        return [workload, rung['backend']] + [f'{key}={value}' for key, value in settings.items()]

    def _room(self, rung):
        """How many descriptors a process may watch, and why no more."""
        below = rung['fd_limit']
        if below and below < self.limit:
            constant = ' (FD_SETSIZE)' if rung['backend'] == 'select' else ''
            return below - RESERVE, f'it watches only descriptors below {below:,}{constant}'
        return self.limit - RESERVE, f'this machine gives a process {self.limit:,} descriptors'

    def _idle(self, rung):
        most, why = self._room(rung)
        if most > MOST_IDLE:
            most, why = MOST_IDLE, 'more would take too long'
        n = 1
        while n * 1.5 < most:
            self.cases.append(self._case('idle', rung, n=n, pairs=self.effort.pairs))
            n *= self.effort.step
        self.cases.append(self._case('idle', rung, n=most, pairs=self.effort.pairs))
        self.notes['idle'].append(f'{rung["backend"]} stops at N = {most:,}: {why}.')

    def _chain(self, rung):
        most = min(self._room(rung)[0], self.limit // 2 - RESERVE)  # a pipe has two ends
        for n, active, timers, edge in CHAINS:
            shape = {'n': min(n, most), 'active': min(active, most), 'timers': timers,
                     'edge': edge, 'pairs': self.effort.pairs}
            case = self._case('chain', rung, **shape)
            if case not in self.cases:
                self.cases.append(case)
        wanted = max(CHAINS)[0]
        if most < wanted:
            self.notes['chain'].append(
                f'{rung["backend"]} has at most {most:,} pipes: {wanted:,} need '
                f'{2 * (wanted + RESERVE):,} descriptors.')

    def _c10k(self, rung):
        room, why = self._room(rung)
        connections = min(CONNECTIONS, self.limit - RESERVE)
        if connections > room:
            self.notes['c10k'].append(
                f'{rung["backend"]} is left out: it cannot hold {connections:,} connections, '
                f'{why}.')
            return
        if connections < CONNECTIONS and not self.warnings:
            needed = CONNECTIONS + RESERVE
            self.warnings.append(
                f'{CONNECTIONS:,} connections need {needed:,} descriptors, and the limit is '
                f'{self.limit:,}: measuring with {connections:,}. To raise it: ulimit -n {needed} '
                '(above the hard limit as root)')
        self.last_cases.append(self._case(
            'c10k', rung, connections=connections, active=min(ACTIVE, connections),
            pairs=self.effort.c10k_pairs, slice_us=4 * self.effort.slice_us,
            idle_ms=self.effort.idle_ms))

    def in_order(self):
        """Pairs of round and case. Each round has an order of its own, so that what drifts does not
        always fall upon the same case; the connections come once, at the end."""
        order = random.Random(1)
        for number in range(self.effort.rounds):
            for case in order.sample(self.cases, len(self.cases)):
                yield number, case
        for case in self.last_cases:
            yield 0, case
