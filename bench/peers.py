"""The second half of bench/peers: builds, measures, prints the tables, and writes the page.

All that is said is made of the samples in results.jsonl alone (results.py); so it can be made of
half a run, and of an earlier one.

SPDX-License-Identifier: MIT
"""

import argparse
import os
import pathlib
import signal
import sys

import counting
import document
import earlier
import goals
import measuring
import origin
import peers_page
import program
import results
import rows
import selfcheck
import shapes
import standings
from measuring import say
from program import Failure, ROOT
from table import Table

USAGE = '''bench/peers [--quick] [--workload LIST] [--subject LIST] [--rounds N] [--against FILE]
                   [--resume] [--out DIR] [--list] [--self-check] [--document] [--yes] [--help]'''


def parse():
    parser = argparse.ArgumentParser(prog='bench/peers', add_help=False, allow_abbrev=False,
                                     usage=USAGE)
    parser.add_argument('--quick', action='store_true')
    parser.add_argument('--workload', type=lambda text: text.split(','))
    parser.add_argument('--subject', type=lambda text: text.split(','))
    parser.add_argument('--rounds', type=int)
    parser.add_argument('--against', type=pathlib.Path)
    parser.add_argument('--resume', action='store_true')
    parser.add_argument('--out', type=pathlib.Path, default=ROOT / 'build' / 'peers')
    parser.add_argument('--list', action='store_true')
    parser.add_argument('--self-check', action='store_true')
    parser.add_argument('--document', action='store_true')
    parser.add_argument('--yes', action='store_true')  # bench/peers has seen to it
    return parser.parse_args()


def find_subjects():
    """What rouse-measure can measure, by name; those that are not here are told of."""
    found = {one['subject']: one for one in program.listed()}
    for name in sorted({name for family in shapes.FAMILIES.values() for name in family}):
        if name in found and not found[name]['works']:
            say(f'{name} is left out: {found[name]["why"]}')
        elif name not in found and rows.maker(name) not in origin.PEERS:
            say(f'{name} is left out: what it is built with is not installed')
    for maker, package in origin.PEERS.items():
        if not any(rows.maker(name) == maker for name in found):
            say(f'{maker} is left out: it is not installed; {package}')
    for tool, counts in counting.TOOLS.items():
        if tool not in counting.tools():
            say(f'{counts} are not counted: {tool} is not installed')
    return found


def print_list(subjects):
    lines = [[name, one['version'], 'works' if one['works'] else one['why'],
              ', '.join(one['workloads'])] for name, one in subjects.items()]
    print(Table(['subject', 'version', 'here and now', 'workloads'], lines,
                words=(1, 2, 3)).text())
    plan = shapes.Plan(subjects)
    lines = [[case.title, case.reference, f'{case.effort.launches} launches of '
              f'{case.effort.rounds} rounds', ' '.join(case.others)] for case in plan.cases]
    print()
    print(Table(['workload', 'against', 'full run', 'subjects'], lines,
                words=(1, 2, 3)).text())
    for note in plan.notes:
        say(note)


def check(options):
    """What can be said of the options before anything is built."""
    if options.resume and any(chosen(options).values()):
        raise Failure('--resume goes on as the run was begun: of the others it takes only --out '
                      'and --against', 2)
    if options.rounds is not None and options.rounds < 1:
        raise Failure('--rounds: at least 1', 2)


def check_names(options, subjects):
    """Names that nothing has are a mistake, and not an empty run."""
    known = {'--workload': {name for one in subjects.values() for name in one['workloads']},
             '--subject': set(subjects)}
    for option, wanted in ('--workload', options.workload), ('--subject', options.subject):
        for name in wanted or ():
            if not any(shapes.is_meant(one, [name]) for one in known[option]):
                raise Failure(f"{option}: there is no '{name}': see --list", 2)


def chosen(options):
    """What decides what is measured, as the results keep it."""
    return {name: getattr(options, name) for name in ('quick', 'workload', 'subject', 'rounds')}


def begin(options, subjects):
    """The results of a run that begins, or goes on, and its plan."""
    path = options.out / 'results.jsonl'
    if options.resume:
        found = results.Results.read(path)
        origin.same_or_fail(found.environment)
    else:
        check_names(options, subjects)
        found = results.Results(path, {'chosen': chosen(options)})
    plan = shapes.Plan(subjects, **found.environment['chosen'])
    for note in plan.notes:
        say(note)
    if not plan.cases:
        raise Failure('nothing is left to measure: see --list', 2)
    if options.resume:
        found.resume()
        return found, plan
    noise = measuring.noise()
    measuring.warn_of_noise(noise)
    found.environment = origin.origin(subjects, chosen(options), noise)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        found.begin()
    except OSError as error:
        raise Failure(f'--out: {error}', 2) from error
    return found, plan


def print_rows(some):
    if any(map(standings.is_bare, some)):
        print(f'{standings.bare(some).text()}\n')
    for row in some:
        if standings.is_bare(row):
            continue
        print(standings.heading(row))
        print(standings.table(row).text())
        print(f'  {row.trouble}\n' if row.trouble else '')
    best, aims = standings.summaries(some), goals.table(some)
    if best.rows:
        print(f'Our best against the best peer, on the same system call:\n{best.text()}\n')
    if aims:
        print(f'Goals: {goals.sentence(some)}.\n{aims.text()}\n')


def measure(options, subjects, before):
    found, plan = begin(options, subjects)
    status = measuring.Measuring(plan, found).run()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # what there is is written, however one hurries
    some = rows.rows(plan, found)
    print_rows(some)
    page = options.out / 'report.html'
    peers_page.write(page, some, plan, found)
    print(f'report: {os.path.relpath(page)}')
    if before:
        changes = earlier.table(rows.rows(plan, before), some)
        print(f'\nSince {before.environment["date"]}, commit {before.environment["commit"]}:\n'
              f'{changes.text()}\n{earlier.sentence(changes)}\n')
    print(standings.sentence(some))
    return status


def main():
    options = parse()
    if options.document:
        document.write(options.out)
        return 0
    check(options)
    before = results.Results.read(options.against) if options.against else None
    program.build()
    subjects = find_subjects()
    if options.self_check:
        measuring.warn_of_noise(measuring.noise())
        return selfcheck.run()
    if options.list:
        print_list(subjects)
        return 0
    return measure(options, subjects, before)


if __name__ == '__main__':
    try:
        sys.exit(main())
    except (RuntimeError, OSError) as error:
        print(f'bench/peers: {error}', file=sys.stderr)
        sys.exit(getattr(error, 'status', 1))
    except KeyboardInterrupt:
        sys.exit(130)
