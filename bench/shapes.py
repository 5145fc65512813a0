"""The plan of bench/peers: which workloads, of which shapes, by which subjects, how often.

Subjects that are compared wait in the same way: a library on poll is measured against a loop that
somebody wrote by hand on poll. Those of io_uring stand beside epoll, because that is the choice one
has on Linux; but verdicts between libraries are of the same backend.

SPDX-License-Identifier: MIT
"""

import collections
import resource

RESERVE = 64  # descriptors that rouse-measure needs for itself

# How often: launches of a process, rounds in each, and how long a slice in a round is: CPU time of
# the reference, or so many events if that is not 0.
Effort = collections.namedtuple('Effort', 'launches rounds slice_us events', defaults=(0,))
FULL = Effort(10, 30, 2500)
QUICK = Effort(6, 14, 2500)
FEW = Effort(10, 5, 5000)    # of what takes long to set up
SERVED = Effort(10, 4, 4000) # of what another process asks for
PACED = Effort(10, 3, 500)   # of what happens once in a millisecond
EXACT = Effort(1, 1, 1)      # of what is counted and not timed

# The first is the reference of the others.
FAMILIES = {
    'epoll': ('raw:epoll', 'raw-edge:epoll', 'rouse:epoll', 'rouse-edge:epoll', 'libev:epoll',
              'libevent:epoll', 'libevent:changelist', 'libuv:epoll', 'raw:io_uring',
              'raw-edge:io_uring', 'rouse:io_uring', 'rouse-edge:io_uring', 'libev:io_uring'),
    'poll': ('raw:poll', 'rouse:poll', 'rouse-edge:poll', 'libev:poll', 'libevent:poll'),
    'select': ('raw:select', 'rouse:select', 'rouse-edge:select', 'libev:select',
               'libevent:select'),
    'threads': ('raw:threads', 'rouse:threads'),
    'spin': ('raw:spin', 'rouse:spin'),
    'timers': ('libev:epoll', 'rouse:epoll', 'libevent:epoll', 'libuv:epoll'),
    'pace': ('libev:epoll', 'rouse:epoll', 'rouse-edge:epoll', 'rouse:io_uring',
             'rouse-edge:io_uring', 'libevent:epoll', 'libuv:epoll'),
    'calls': ('raw:epoll',),
}

# What a subject does not survive, and why.
FAULTS = {('libev:io_uring', workload):
          'it aborts when 1,000 watchers change in a turn: "did not consume all sqes"'
          for workload in ('churn-modify', 'churn-pause')}

# A workload in one shape by one family; `quick`: whether --quick has it too; `counted`: whether
# instructions and system calls are counted as well; `descriptors`: how many a process needs.
Shape = collections.namedtuple('Shape', 'workload settings family effort quick counted descriptors')


def _shape(workload, family, effort=FULL, quick=False, counted=False, descriptors=0, **settings):
    return Shape(workload, tuple(settings.items()), family, effort, quick, counted, descriptors)


def _idle():
    for family, sizes in (('epoll', (1, 10, 100, 1000, 8000)), ('poll', (1, 10, 100, 1000, 8000)),
                          ('select', (1, 10, 100, 1000)), ('threads', (1, 10, 100, 1000)),
                          ('spin', (1, 10, 100, 1000))):
        lesson = family in ('threads', 'spin')
        for n in sizes:
            yield _shape('idle', family, FEW if lesson or n > 1000 else FULL,
                         quick=n in (10, 1000, 8000) and not lesson,
                         counted=n == 100 and not lesson, descriptors=n, n=n)


def _timers():
    """What goes before a phase takes as long as the phase, so slices are few and of whole n."""
    for n, rounds in (10000, 4), (100000, 3), (1000000, 1):
        for name in 'insert', 'cancel', 'rearm', 'fire':
            effort = Effort(10, rounds, 0, n if name == 'fire' else max(n, 100000))
            yield _shape(f'timers-{name}', 'timers', effort, n=n,
                         quick=n == 10000 or n == 100000 and name != 'fire')


SHAPES = (
    _shape('syscalls-*', 'calls'),
    _shape('chain', 'epoll', quick=True, counted=True, descriptors=200, n=100, active=1),
    _shape('chain', 'epoll', quick=True, descriptors=2000, n=1000, active=1),
    _shape('chain', 'epoll', quick=True, counted=True, descriptors=2000, n=1000, active=100),
    _shape('chain', 'epoll', quick=True, counted=True, descriptors=200, n=100, active=1, timers=3),
    _shape('chain', 'poll', quick=True, counted=True, descriptors=200, n=100, active=1),
    _shape('chain', 'poll', descriptors=2000, n=1000, active=1),
    _shape('chain', 'select', quick=True, counted=True, descriptors=200, n=100, active=1),
    _shape('chain', 'select', descriptors=2000, n=1000, active=1),
    _shape('chain', 'threads', FEW, descriptors=200, n=100, active=1),
    _shape('chain', 'spin', FEW, descriptors=200, n=100, active=1),
    *_idle(),
    *(_shape(name, 'epoll', Effort(10, 10, 0, 8000), counted=True, descriptors=2000, n=1000)
      for name in ('churn-modify', 'churn-undone', 'churn-pause', 'churn-paused-undone')),
    *_timers(),
    _shape('pace-sparse', 'epoll', PACED),
    _shape('pace-timers', 'pace', PACED),
    _shape('wake-roundtrip', 'epoll', FULL._replace(rounds=20)),
    _shape('wake-pending', 'epoll', FULL._replace(rounds=20)),
    _shape('storm', 'epoll', FULL._replace(rounds=20), threads=4),
    _shape('loops', 'epoll', descriptors=400, threads=2, n=100, active=1),
    _shape('loops', 'epoll', descriptors=800, threads=4, n=100, active=1),
    _shape('echo', 'epoll', SERVED._replace(rounds=20), descriptors=64, n=64, active=64),
    _shape('echo', 'epoll', SERVED, descriptors=8000, n=8000, active=64),
    _shape('echo', 'poll', SERVED._replace(rounds=20), descriptors=64, n=64, active=64),
    _shape('accept', 'epoll', SERVED),
    _shape('mixed', 'epoll', SERVED, descriptors=10000, n=10000, active=100),
    _shape('latency', 'epoll', SERVED._replace(rounds=1), descriptors=64, n=64, rate=1000),
    _shape('latency', 'epoll', SERVED._replace(rounds=2), descriptors=64, n=64, rate=10000),
    _shape('memory-descriptors', 'epoll', EXACT._replace(events=10000), descriptors=10000, n=10000),
    _shape('memory-timers', 'timers', EXACT._replace(events=10000), n=10000),
    _shape('memory-loop', 'epoll', EXACT),
)


class Case:
    """A shape, by those subjects that can do it here. The reference comes first, and once more at
    the end: it is measured against itself, which tells the noise."""

    def __init__(self, shape, workload, subjects, effort):
        self.workload = workload
        self.settings = dict(shape.settings)
        self.reference, *self.others = subjects
        self.family = shape.family
        self.effort = effort
        self.counted = shape.counted
        words = [f'{key}={value}' for key, value in shape.settings]
        words += [f'on {self.family}'] * (self.reference == f'raw:{self.family}' != 'raw:epoll')
        self.title = ' '.join([workload, *words])

    def arguments(self, launch):
        """Those of rouse-measure."""
        subjects = [self.reference, *self.others, *[self.reference] * (self.family != 'calls')]
        length = (f'events={self.effort.events}' if self.effort.events
                  else f'slice_us={self.effort.slice_us}')
        return [self.workload, ','.join(subjects),
                *(f'{key}={value}' for key, value in self.settings.items()),
                f'rounds={self.effort.rounds}', length, f'seed={launch + 1}']

    def seconds(self):
        """A guess of how long a launch takes, until one has been timed."""
        slices = self.effort.rounds * (2 * len(self.others) + 3)
        each = 200 * self.effort.events or 1000 * self.effort.slice_us
        return 0.1 + 1.5e-9 * slices * max(each, 5e6)


class Plan:
    """The cases of a run, and why others are left out. The options are those of the command."""

    def __init__(self, known, quick=False, workload=None, subject=None, rounds=None):
        self.notes = []
        self.cases = []
        names = sorted({name for one in known.values() for name in one['workloads']})
        for shape in SHAPES:
            prefix, star, _ = shape.workload.partition('*')
            for name in [one for one in names if one.startswith(prefix)] if star else [prefix]:
                if (shape.quick or not quick) and is_meant(name, workload):
                    can = [one for one in FAMILIES[shape.family] if one in known
                           and known[one]['works'] and name in known[one]['workloads']
                           and self._survives(one, name)]
                    self._add(shape, name, can, subject, _effort(shape.effort, quick, rounds))

    def _survives(self, subject, name):
        fault = FAULTS.get((subject, name))
        if fault:
            self._note(f'{subject} is left out of {name}: {fault}')
        return fault is None

    def _add(self, shape, name, can, subject, effort):
        reference = FAMILIES[shape.family][0]
        chosen = [one for one in can if one == reference or is_meant(one, subject)]
        needed = shape.descriptors + RESERVE
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if reference not in can:
            self._note(f'{name} is left out: {reference}, which the others are measured against, '
                       'does not do it here')
        elif needed > limit:
            self._note(f'{name} of {shape.descriptors:,} descriptors is left out: the limit is '
                       f'{limit:,}; to raise it: ulimit -n {needed} (above the hard limit as root)')
        elif len(chosen) > 1 or shape.family == 'calls':
            self.cases.append(Case(shape, name, chosen, effort))

    def _note(self, words):
        if words not in self.notes:
            self.notes.append(words)


def _effort(effort, quick, launches):
    if quick:
        effort = Effort(*map(min, effort[:3], QUICK), effort.events)
    return effort._replace(launches=launches) if launches and effort.launches > 1 else effort


def is_meant(name, wanted):
    """Whether a name is one of those asked for, or begins with one: timers, libev."""
    return wanted is None or any(name == one or name.startswith((f'{one}-', f'{one}:'))
                                 for one in wanted)
