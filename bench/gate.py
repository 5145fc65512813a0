"""The second half of bench/gate: builds, counts, and compares with the figures in accepted.json.

Instructions are those of one compiler for one processor, and some are the C library's. Where these
are not the ones of the file, instructions are told and not judged, because they differ by more than
the margin without anybody's fault; system calls are judged everywhere.

SPDX-License-Identifier: MIT
"""

import argparse
import collections
import json
import pathlib
import platform
import sys

import counting
import program
import units
from progress import Progress
from table import Table

FILE = pathlib.Path(__file__).with_name('accepted.json')
MARGIN = 0.02
ROUNDED = 0.01
SUBJECTS = tuple(f'{maker}:{backend}' for backend in ('epoll', 'poll', 'select', 'io_uring')
                 for maker in ('rouse', 'rouse-edge'))
Case = collections.namedtuple('Case', 'title workload settings')
CASES = tuple(Case(' '.join([workload, *(f'{key}={value}' for key, value in settings.items())]),
                   workload, settings) for workload, settings in (
    ('chain', {'n': 100, 'active': 1}),
    ('chain', {'n': 1000, 'active': 100}),
    ('chain', {'n': 100, 'active': 1, 'timers': 3}),
    ('churn-modify', {'n': 100})))


def say(text):
    print(f'bench/gate: {text}', file=sys.stderr)


def origin():
    """What instructions depend on."""
    return {'compiler': program.compiler(), 'architecture': platform.machine(),
            'libc': ' '.join(platform.libc_ver())}


def count():
    """{case: {subject: counts}} of what works here, and whether all could be counted."""
    works = {one['subject']: one['works'] for one in program.listed()}
    for subject in SUBJECTS:
        if not works.get(subject):
            say(f'{subject} is left out: it does not work here')
    wanted = [(case, subject) for case in CASES for subject in SUBJECTS if works.get(subject)]
    progress = Progress()
    found = {case.title: {} for case in CASES}
    failed = []

    def keep(case, subject, counts):
        if isinstance(counts, Exception):
            failed.append(str(counts))
        else:
            found[case.title][subject] = {name: round(each, 2) for name, each in counts.items()}
        done = sum(map(len, found.values())) + len(failed)
        progress.show(done / len(wanted), None, f'{case.title} {subject}')

    counting.count_all(wanted, list(counting.TOOLS), keep)
    progress.clear()
    for why in failed:
        say(why)
    ordered = {title: {subject: those[subject] for subject in SUBJECTS if subject in those}
               for title, those in found.items()}
    return ordered, not failed


def is_above(now, then):
    return now > then * (1 + MARGIN) + ROUNDED


def compare(found, accepted):
    """The lines of a table, and the figures that are above the accepted ones."""
    same = origin() == accepted['origin']
    if not same:
        say('instructions are not judged: the accepted ones are of '
            f'{", ".join(accepted["origin"].values())}, and here is {", ".join(origin().values())}')
    lines, above, below = [], [], 0
    for title, subjects in found.items():
        for subject, counts in subjects.items():
            then = accepted['figures'].get(title, {}).get(subject)
            if then is None:
                say(f'{title} {subject}: no figure is accepted yet')
                continue
            cells = []
            for name, now in counts.items():
                judged = same or name != 'instructions'
                worse = judged and is_above(now, then[name])
                below += judged and is_above(then[name], now)
                cells += [units.amount(then[name]), units.amount(now) + '!' * worse]
                if worse:
                    above.append(f'{title}, {subject}: {name} for each event: '
                                 f'{units.amount(now)}, accepted {units.amount(then[name])}')
            lines.append([title, subject, *cells])
    if below:
        print(f'{below} figures are lower than the accepted ones: --accept writes them down')
    return lines, above


def main():
    parser = argparse.ArgumentParser(prog='bench/gate', add_help=False, allow_abbrev=False,
                                     usage='bench/gate [--accept] [--yes] [--help]')
    parser.add_argument('--accept', action='store_true')
    parser.add_argument('--yes', action='store_true')  # bench/gate has seen to it
    options = parser.parse_args()
    program.build()
    found, whole = count()
    if options.accept:
        text = json.dumps({'origin': origin(), 'figures': found}, indent=1)
        FILE.write_text(text + '\n', encoding='utf-8')
        return 0 if whole else 1
    lines, above = compare(found, json.loads(FILE.read_text(encoding='utf-8')))
    print(Table(['for each event', '', *('instructions accepted', 'now', 'system calls accepted',
                                         'now', 'waits accepted', 'now')], lines,
                words=(1,)).text())
    for words in above:
        say(words)
    print(f'{len(above)} figures above the accepted ones')
    return 1 if above or not whole else 0


if __name__ == '__main__':
    try:
        sys.exit(main())
    except (RuntimeError, OSError) as error:
        print(f'bench/gate: {error}', file=sys.stderr)
        sys.exit(getattr(error, 'status', 1))
    except KeyboardInterrupt:
        sys.exit(130)
