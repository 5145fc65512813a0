"""The second half of bench/instructions: builds, counts, and prints one table.

SPDX-License-Identifier: MIT
"""

import sys

import counting
import program
from plan import Case
from table import Table

SUBJECTS = ('rouse:epoll', 'rouse-edge:epoll', 'raw:epoll')
SHAPES = ({'n': 100, 'active': 1}, {'n': 1000, 'active': 100})


def choose(wanted):
    known = [one['subject'] for one in program.listed() if one['works']]
    for name in wanted:
        if name not in known:
            raise program.Failure(f"unknown subject '{name}': there are {', '.join(known)}", 2)
    return wanted


def main():
    program.build()
    rows = []
    for subject in choose(sys.argv[1:] or SUBJECTS):
        counts = [counting.count(Case('chain', (subject,), shape, False, 1), subject, ['valgrind'])
                  for shape in SHAPES]
        rows.append([subject, *(f'{each["instructions"]:.0f}' for each in counts)])
    head = ['instructions for each event', *(f'a={shape["active"]}' for shape in SHAPES)]
    print(Table(head, rows).text())


if __name__ == '__main__':
    try:
        main()
    except (program.Failure, OSError) as error:
        print(f'bench/instructions: {error}', file=sys.stderr)
        sys.exit(getattr(error, 'status', 1))
    except KeyboardInterrupt:
        sys.exit(130)
