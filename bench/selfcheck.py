"""Whether bench/peers can be believed: equals are called ties, and a difference is seen.

Each comparison is made as a row of a full run is: so many launches, an interval over them, a
verdict. Forty are of the raw loop with itself, and with an interval of 95 % and a margin beside it
at most two of these may be called anything else than a tie. Ten are of the raw loop with one that
does 60 ns of work that nobody asked for in each event, some 5 %: all of these must be called worse.

SPDX-License-Identifier: MIT
"""

import time

import program
import rows
import shapes
import units
import verdicts
from progress import Progress

EQUALS = 40
MOST_WRONG = 2
PLANTED = 10
SUBJECT = 'planted:epoll'
SHAPE = shapes.Shape('chain', (('n', 100), ('active', 1)), 'epoll', shapes.FULL, True, False, 200)


def _compare(subjects, number):
    """A row, and what is called of its last subject."""
    case = shapes.Case(SHAPE, 'chain', subjects, SHAPE.effort)
    launches = {}
    for launch in range(case.effort.launches):
        samples = launches[launch] = []
        program.run(case.arguments(number * case.effort.launches + launch), samples.append)
    row = rows.Row(case, launches, {})
    ratio = row.ratio(subjects[-1])
    return units.interval(ratio), verdicts.verdict(ratio)


def _compare_all(kind, subjects, count, progress, done):
    found = []
    for number in range(count):
        spent = time.monotonic() - progress.began
        share = (done + number) / (EQUALS + PLANTED)
        progress.show(share, spent / share - spent if share else None, f'{kind} {number + 1}')
        words, verdict = _compare(subjects, number)
        progress.clear()
        print(f'{kind} {number + 1:2}: {words} {verdict}', flush=True)
        found.append(verdict)
    return found


def run():
    """Returns what the command will end with."""
    progress = Progress()
    equals = _compare_all('equal', ['raw:epoll'], EQUALS, progress, 0)
    planted = _compare_all('60 ns', ['raw:epoll', SUBJECT], PLANTED, progress, EQUALS)
    wrong = sum(verdict != verdicts.TIE for verdict in equals)
    seen = planted.count(verdicts.WORSE)
    print(f'\nequals that were not called a tie: {wrong} of {EQUALS} (at most {MOST_WRONG})')
    print(f'60 ns in each event that were called worse: {seen} of {PLANTED} (all)')
    return 0 if wrong <= MOST_WRONG and seen == PLANTED else 1
