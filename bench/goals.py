"""What rouse is meant to reach, row by row, and whether a run shows that it does.

A goal is met if the whole interval of what was measured lies within it, missed if the whole lies
beyond, and otherwise nobody can tell. Counts have no interval.

SPDX-License-Identifier: MIT
"""

import collections

import units
import verdicts
from table import Table

# `subject` shall have a `quantity` of at most `bound` in the row of that workload and settings; a
# ratio is to the row's reference. `tie`: a verdict that is no worse than a tie will do as well.
Goal = collections.namedtuple('Goal', 'workload settings subject quantity bound tie')

EPOLL = ('rouse:epoll', 'rouse-edge:epoll')
EDGES = ('rouse-edge:epoll', 'rouse-edge:io_uring')
EVERY = ('rouse:epoll', 'rouse-edge:epoll', 'rouse:io_uring', 'rouse-edge:io_uring')
TIMERS = (('insert', 0.6), ('cancel', 0.3), ('rearm', 0.1), ('fire', 0.4))


def _goal(workload, subject, quantity, bound, tie=False, **settings):
    return Goal(workload, settings, subject, quantity, bound, tie)


def _chains():
    for settings, level, edge, ring in (
            ({'n': 100, 'active': 1}, 1.01, 0.97, 0.88),
            ({'n': 1000, 'active': 1}, 1.01, 0.97, 0.88),
            ({'n': 1000, 'active': 100}, 1.01, 0.97, 0.86),
            ({'n': 100, 'active': 1, 'timers': 3}, 1.03, 0.99, 0.91)):
        yield _goal('chain', 'rouse:epoll', 'ratio', level, **settings)
        yield _goal('chain', 'rouse-edge:epoll', 'ratio', edge, **settings)
        yield _goal('chain', 'rouse-edge:io_uring', 'ratio', ring, **settings)
    for name in 'poll', 'select':
        for n in 100, 1000:
            yield _goal('chain', f'rouse:{name}', 'ratio', 0.5, n=n, active=1)
    for subject in EPOLL:
        yield _goal('chain', subject, 'instructions', 190, n=100, active=1)
        yield _goal('chain', subject, 'instructions', 115, n=1000, active=100)


GOALS = (
    *_chains(),
    *(_goal(name, subject, 'value', 3, n=1000)
      for name in ('churn-modify', 'churn-undone', 'churn-pause', 'churn-paused-undone')
      for subject in EDGES),
    *(_goal(name, subject, 'value', 5, n=1000) for name in ('churn-undone', 'churn-paused-undone')
      for subject in ('rouse:epoll', 'rouse:io_uring')),
    *(_goal(f'timers-{name}', 'rouse:epoll', 'ratio', bound, n=n)
      for name, bound in TIMERS for n in (10000, 100000, 1000000)),
    _goal('wake-pending', 'rouse:epoll', 'value', 4),
    _goal('wake-roundtrip', 'rouse:epoll', 'ratio', 1.0, tie=True),
    *(_goal('echo', subject, 'ratio', 1.0, tie=True, n=n, active=64)
      for n in (64, 8000) for subject in EPOLL),
    *(_goal('echo', 'rouse-edge:io_uring', 'ratio', 0.98, tie=True, n=n, active=64)
      for n in (64, 8000)),
    _goal('memory-descriptors', 'rouse:epoll', 'value', 64, n=10000),
    _goal('memory-timers', 'rouse:epoll', 'value', 56, n=10000),
    _goal('memory-loop', 'rouse:epoll', 'value', 4096),
    _goal('idle', 'rouse:epoll', 'ratio', 1.02, n=8000),
    _goal('idle', 'rouse-edge:epoll', 'ratio', 1.06, n=8000),
    _goal('idle', 'rouse-edge:io_uring', 'ratio', 0.96, n=8000),
    *(_goal('idle', f'rouse:{name}', 'ratio', 1.02, n=n)
      for name, sizes in (('poll', (100, 1000, 8000)), ('select', (100, 1000))) for n in sizes),
    *(_goal('chain', subject, 'waits', 1.07, n=100, active=1) for subject in EVERY),
    *(_goal('pace-sparse', subject, 'waits', 1.07) for subject in EVERY),
    *(_goal('pace-timers', subject, 'waits', 1.0) for subject in EVERY),
)


def _row(goal, rows):
    return next((row for row in rows if row.case.workload == goal.workload
                 and row.case.settings == goal.settings and goal.subject in row.subjects), None)


def _words(goal):
    """What is asked for."""
    what = {'ratio': 'ratio', 'value': '', 'instructions': 'instructions / event',
            'waits': 'waits / event'}[goal.quantity]
    unit = ''
    if goal.quantity == 'value':
        unit = ' B' if goal.workload.startswith('memory') else ' ns'
    return f'{what} <= {goal.bound:g}{unit}{" or a tie" * goal.tie}'.strip()


def judge(goal, rows):
    """What was measured, in words, and 'met', 'missed', 'cannot tell' or 'not measured'."""
    row = _row(goal, rows)
    if row is None:
        return '', 'not measured'
    if goal.quantity == 'instructions':
        found = row.counted.get(goal.subject, {}).get('instructions')
    elif goal.quantity == 'waits':
        found = row.each(goal.subject, 'waits')
    elif goal.quantity == 'value':
        value = row.value(goal.subject)
        return row.quantity.words(value.middle), verdicts.against_bound(value, goal.bound)
    else:
        ratio = row.ratio(goal.subject)
        if row.count < row.least:
            return units.interval(ratio), verdicts.UNKNOWN
        if goal.tie and row.verdict(goal.subject) in (verdicts.BETTER, verdicts.TIE):
            return units.interval(ratio), 'met'
        return units.interval(ratio), verdicts.against_bound(ratio, goal.bound, row.floor)
    if found is None:
        return '', 'not measured'
    return units.amount(found), 'met' if round(found, 2) <= goal.bound else 'missed'


def judged(rows):
    """Each goal with its judgement."""
    return [(goal, *judge(goal, rows)) for goal in GOALS]


def table(rows):
    """Those that were measured; None without any."""
    lines = []
    for goal, measured, verdict in judged(rows):
        if verdict != 'not measured':
            title = ' '.join([goal.workload, *(f'{k}={v}' for k, v in goal.settings.items())])
            lines.append([title, goal.subject, _words(goal), measured, verdict])
    head = ['goal', 'of', 'asked for', 'measured', '']
    return Table(head, lines, words=(1, 2, 3, 4)) if lines else None


def sentence(rows):
    found = collections.Counter(verdict for _, _, verdict in judged(rows))
    return ', '.join(f'{found[word]} {word}' for word in
                     ('met', 'missed', verdicts.UNKNOWN, 'not measured') if found[word])
