"""What tests/matrix.c has measured of the backends, for check_backends.py and check_elsewhere.py.
A program is a list, of what runs it and its path.

SPDX-License-Identifier: MIT
"""

import os
import re
import resource

import check

# What is told, as letters.
BITS = re.compile(r'[RPWEH]+', re.I)


class Measured:
    """What the program has printed of one backend."""

    def __init__(self, lines):
        self.reports, self.tells, self.costs, self.facts = {}, {}, {}, {}
        for kind, *words in lines:
            if kind == 'reports':
                self.reports[words[0]] = words[1]
            elif kind == 'tells':
                self.tells[tuple(words[:3])] = words[3]
            elif kind == 'costs':
                self.costs[tuple(words[:2])] = list(map(int, words[2:]))
            elif kind in ('limit', 'descriptors', 'threads', 'traits'):
                self.facts[kind] = words
            elif 'SKIPPED' in words and words[-1] == 'matrix_costs':
                self.costs = {}  # it takes many descriptors, and threads

    def has(self, trait):
        return trait in self.facts['traits']

    def counts(self, mode, what):
        """Each divided by how often it was done. Where threads work it is never twice the same."""
        times, *counts = self.costs[mode, what]
        vary = int(self.facts.get('threads', ['0'])[0]) > 0
        return [(about if vary else number)(count / times) for count in counts]


def number(value):
    return f'{value:.{1 if value >= 1 else 2}f}'.rstrip('0').rstrip('.') if value % 1 else \
        str(int(value))


def about(value):
    return f'~{float(f"{value:.1g}"):.0f}' if round(value) > 0 else '0'


def is_same(cell, now):
    """Whether two cells say the same; what varies may vary by 2, or by a factor of three."""
    if cell == now or not all(re.fullmatch(r'~\d+|0', word) for word in (cell, now)):
        return cell == now
    low, high = sorted([float(cell.strip('~')), float(now.strip('~'))])
    return high - low <= 2 or high <= 3 * low


def run(program, backend, **more):
    environment = {name: value for name, value in os.environ.items()
                   if name not in ('ROUSE_TEST_LIST', 'ROUSE_TEST_CASES')}
    return check.run(*program, env={**environment, 'ROUSE_BACKEND': backend, **more})


def measure(program, backends):
    """By the name of each backend that can be opened here, in the order of the build."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    measured = {}
    for backend in backends:
        lines = [line.split() for line in run(program, backend).splitlines() if line]
        if lines[0][0] == 'refused':
            print(*lines[0], flush=True)
        else:
            measured[backend] = Measured(lines)
    if not measured:
        raise check.Skip('no backend can be opened here')
    return measured


def situations(program, backend):
    """All that the program knows, whether or not this system has them."""
    names = run(program, backend, ROUSE_TEST_LIST='1').split()
    return [name for name in dict.fromkeys(names) if not name.startswith('matrix_')]
