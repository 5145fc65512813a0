"""What is measured: which workloads, of which shapes, by which subjects; and why no more.

SPDX-License-Identifier: MIT
"""

import collections
import random
import resource

RESERVE = 16  # descriptors that rouse-measure needs for itself
CONNECTIONS = 10000
ACTIVE = 64
HELD = (100, 1000, 10000)
HELD_EVENTS = 100
BASE = 'epoll'  # the backend whose raw loop all others are measured against as well
NO_LEVELS = ('io_uring',)  # whose raw loop for edges is another than that for levels

# So many pipes, of which so many are active; and so many timers are pending.
Chain = collections.namedtuple('Chain', 'n active timers')
CHAINS = (Chain(100, 1, 0), Chain(100, 1, 3), Chain(1000, 1, 0), Chain(1000, 100, 0))

# How much to measure. Every case is launched so many times, each time with so many rounds of
# slices; N of idle goes up to `most` by `step`. Lessons are slow, and no numbers to choose by.
Effort = collections.namedtuple('Effort',
                                'launches rounds slice_us step most chains echo_rounds idle_ms')
FULL = Effort(8, 4, 4000, 2, 32768, CHAINS, 24, 500)
FULL_LESSON = Effort(2, 4, 4000, 4, 4096, (CHAINS[0], CHAINS[3]), 0, 500)
QUICK = Effort(1, 7, 2000, 4, 10000, CHAINS, 6, 200)
QUICK_LESSON = Effort(1, 6, 1000, 4, 1000, CHAINS[:1], 0, 200)

# `subjects` do it by turns; the first is the reference, if there are others.
Case = collections.namedtuple('Case', 'workload subjects settings lesson launches')


def arguments(case):
    """Of rouse-measure."""
    return [case.workload, ','.join(case.subjects),
            *(f'{name}={value}' for name, value in case.settings.items())]


class Plan:
    """The cases, and what a reader must know of them."""

    def __init__(self, rungs, base, quick):
        self.effort = QUICK if quick else FULL
        self.lesson = QUICK_LESSON if quick else FULL_LESSON
        self.base = base  # whether BASE has a raw loop here
        self.limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self.notes = {'idle': [], 'chain': [], 'echo': [], 'hold': []}
        self.warnings = []
        self.cases = []
        self.last_cases = []
        for rung in rungs:
            effort = self.lesson if rung.lesson else self.effort
            self._idle(rung, effort)
            self._chain(rung, effort)
            self._hold(rung, effort, rung.lesson or rung is rungs[0])
            self._echo(rung, effort)

    def _case(self, workload, rung, effort, subjects, **settings):
        settings = {'rounds': effort.rounds, 'slice_us': effort.slice_us, **settings}
        case = Case(workload, subjects, settings, rung.lesson, effort.launches)
        if case not in self.cases:
            self.cases.append(case)

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
        subjects = _by_level(rung)
        n = 1
        while n * 1.5 < most:
            self._case('idle', rung, effort, subjects, n=n)
            n *= effort.step
        self._case('idle', rung, effort, subjects, n=most)
        self.notes['idle'].append(f'{rung.backend} stops at N = {most:,}: {why}.')

    def _chain(self, rung, effort):
        """Each on its own raw loop, and but for lessons on that of BASE too."""
        most = min(self._room(rung)[0], self.limit // 2 - RESERVE)  # a pipe has two ends
        for n, active, timers in effort.chains:
            shape = {'n': min(n, most), 'active': min(active, most), 'timers': timers}
            for subjects in [_by_level(rung)] if rung.lesson else _both_ways(rung):
                self._case('chain', rung, effort, subjects, **shape)
            if self.base and rung.backend != BASE and not rung.lesson and not timers:
                self._case('chain', rung, effort,
                           (f'raw:{BASE}', f'rouse:{rung.backend}', f'rouse-edge:{rung.backend}'),
                           **shape, slice_us=effort.slice_us // 2)  # the library's may be long
        wanted = max(shape.n for shape in effort.chains)
        if most < wanted:
            self.notes['chain'].append(
                f'{rung.backend} has at most {most:,} pipes: {wanted:,} need '
                f'{2 * (wanted + RESERVE):,} descriptors.')

    def _last(self, workload, rung, subjects, **settings):
        self.last_cases.append(Case(workload, subjects, settings, rung.lesson, 1))

    def _hold(self, rung, effort, all_sizes):
        most, why = self._room(rung)
        sizes = [n for n in HELD if n <= most]
        for n in sizes if all_sizes else sizes[-1:]:
            self._last('hold', rung, (f'rouse:{rung.backend}',), n=n, rounds=1,
                       events=HELD_EVENTS, idle_ms=effort.idle_ms // 2)
        if most < max(HELD):
            self.notes['hold'].append(f'{rung.backend} cannot watch {max(HELD):,}: {why}.')

    def _echo(self, rung, effort):
        """A look at one that holds all connections and serves a few requests; and the tax, but for
        lessons, which are slow to start and to serve."""
        room, why = self._room(rung)
        connections = min(CONNECTIONS, self.limit - RESERVE)
        if connections > room:
            self.notes['echo'].append(
                f'{rung.backend} is left out: it cannot hold {connections:,} connections, '
                f'{why}.')
            return
        if connections < CONNECTIONS and not self.warnings:
            needed = CONNECTIONS + RESERVE
            self.warnings.append(
                f'{CONNECTIONS:,} connections need {needed:,} descriptors, and the limit is '
                f'{self.limit:,}: measuring with {connections:,}. To raise it: ulimit -n {needed} '
                '(above the hard limit as root)')
        shape = {'n': connections, 'active': min(ACTIVE, connections)}
        self._last('echo', rung, (f'rouse:{rung.backend}',), **shape, rounds=1,
                   events=10 * shape['active'], idle_ms=effort.idle_ms)
        if effort.echo_rounds:
            self._last('echo', rung, _by_level(rung), **shape, rounds=effort.echo_rounds,
                       slice_us=4 * effort.slice_us)

    def in_order(self):
        """Pairs of a launch's number and a case. The first launch of each comes before the second
        of any, in an order that is drawn for each, so that what drifts does not always fall upon
        the same case; what is launched once comes at the end."""
        order = random.Random(1)
        for number in range(self.effort.launches):
            due = [case for case in self.cases if number < case.launches]
            for case in order.sample(due, len(due)):
                yield number, case
        for case in self.last_cases:
            yield 0, case


def _by_level(rung):
    """The library with level watchers, behind its raw loop if there is one."""
    raw = (f'raw:{rung.backend}',) if rung.raw else ()
    return (*raw, f'rouse:{rung.backend}')


def _both_ways(rung):
    """With level and with edge watchers: by turns where both have the same raw loop."""
    edge = f'rouse-edge:{rung.backend}'
    if not rung.raw:
        return [_by_level(rung), (edge,)]
    if rung.backend in NO_LEVELS:
        return [_by_level(rung), (f'raw-edge:{rung.backend}', edge)]
    return [(*_by_level(rung), edge)]
