"""The second half of bench/compare: builds, measures, prints the tables, and writes the page.

rouse-measure is launched again and again, and every line that it prints, a raw sample, is kept in
results.jsonl as it comes. What is said of them (samples.py, fits.py), the tables and the page are
made from the samples alone, so they can be made of half a run too.

SPDX-License-Identifier: MIT
"""

import argparse
import json
import os
import pathlib
import resource
import signal
import sys

import environment
import fits
import plan
import program
import report
import rungs
import samples
import tables
from program import Failure
from progress import Progress
from table import Table


def say(text):
    print(f'bench/compare: {text}', file=sys.stderr)


def parse():
    parser = argparse.ArgumentParser(
        prog='bench/compare', add_help=False, allow_abbrev=False,
        usage='bench/compare [--quick] [--backends LIST] [--out DIR] [--list] [--yes] [--help]')
    parser.add_argument('--quick', action='store_true')
    parser.add_argument('--backends')
    parser.add_argument('--out', type=pathlib.Path, default=program.ROOT / 'build' / 'compare')
    parser.add_argument('--list', action='store_true')
    parser.add_argument('--yes', action='store_true')  # bench/compare has seen to it
    return parser.parse_args()


def print_rungs(found):
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    rows = []
    for rung in found:
        below = f'below {min(rung.fd_limit or soft, soft):,}' if rung.built else ''
        rows.append([rungs.title(rung), 'yes' if rung.built else 'no',
                     'works' if rung.works else rung.why, below, 'yes' if rung.raw else 'no'])
    head = ['backend', 'compiled in', 'here and now', 'descriptors', 'raw loop']
    print(Table(head, rows).text())


def choose(found, wanted):
    """The backends to measure: those asked for, or all that work."""
    if wanted is None:
        for rung in found:
            if not rung.works:
                say(f'{rung.backend} is left out: {rung.why}')
        chosen = [rung for rung in found if rung.works]
        if not chosen:
            raise Failure('no backend works here: see --list', 2)
        return chosen
    by_name = {rung.backend: rung for rung in found}
    names = list(dict.fromkeys(wanted.split(',')))
    for name in names:
        if name not in by_name:
            raise Failure(f"unknown backend '{name}': there are {', '.join(by_name)}", 2)
        if not by_name[name].works:
            raise Failure(f'{name} does not work here: {by_name[name].why}', 2)
    return [by_name[name] for name in names]


def measure_case(number, case, keep):
    """Launches one case. A lesson may fail: not every system has so many threads. Returns why it
    was left out, if it was."""
    launch = {'launch': number, 'subjects': case.subjects}
    try:
        program.run(plan.arguments(case), lambda sample: keep({**launch, **sample}))
    except Failure as failure:
        if not case.lesson:
            raise
        return str(failure).splitlines()[0]
    return None


def measure(planned, keep):
    """Runs all cases; returns what the command will end with."""
    cases = list(planned.in_order())
    progress = Progress()
    try:
        for place, (number, case) in enumerate(cases):
            progress.show(place / len(cases), None, ' '.join(plan.arguments(case)[:3]))
            left_out = measure_case(number, case, keep)
            if left_out:
                progress.clear()
                say(f'left out: {left_out}')
                planned.notes[case.workload].append(f'Left out: {left_out}.')
    except KeyboardInterrupt:
        progress.clear()
        say('interrupted; this is what there is')
        return 130
    except Failure as failure:
        progress.clear()
        say(failure)
        return failure.status
    progress.clear()
    return 0


def print_tables(found_samples, chosen, planned, found):
    """All that is said on the terminal, but for the summary."""
    def said(workload):
        return report.notes(chosen, planned.notes[workload])

    for heading, made, notes in (
            ('idle: N watched descriptors, one active. CPU time of a turn: write, wait, read.',
             tables.idle(found_samples, chosen), said('idle')),
            ("The library's counted work for each wait of idle.",
             tables.work(found_samples, chosen), [tables.WORK_NOTE]),
            ('chain: a bytes go round a ring of n pipes. CPU time of a hop: read, write, 1/a wait.',
             tables.chain(found_samples, chosen), said('chain')),
            (f'chain again, against raw level {plan.BASE}: the CPU time of rouse on each backend, '
             f'over that of\na hand-written loop on {plan.BASE}.',
             tables.against(found_samples, chosen), []),
            ('hold: what it takes to watch N descriptors on which nothing happens, and what an '
             'event then takes.', tables.hold(found_samples, chosen), said('hold')),
            ('echo: a server with ten thousand connections and a client, two processes. CPU time '
             'of the server.', tables.echo(found_samples, chosen), said('echo'))):
        if made:
            print('\n\n'.join([heading] + [table.text() for table in made]))
            print('\n'.join([f'  {note}' for note in notes] + ['']))
    print('tax: rouse / raw, the same work in a hand-written loop on the same system call; in '
          'brackets\n     its 95 % interval.')
    if found:
        print('\nA turn of idle takes a + b*N:')
    for one in found:
        print(f'  {fits.sentence(one)}\n      {fits.intervals(one)}')


def main():
    options = parse()
    program.build()
    found_rungs = rungs.rungs(program.listed())
    if options.list:
        print_rungs(found_rungs)
        return 0
    chosen = choose(found_rungs, options.backends)
    base = any(rung.backend == plan.BASE and rung.raw for rung in found_rungs)
    planned = plan.Plan(chosen, base, options.quick)
    for warning in planned.warnings:
        say(warning)
    where = environment.environment(program.ROOT, program.BUILD, program.compiler(),
                                    '--quick' if options.quick else '')
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Failure(f'--out: {error}', 2) from error
    gathered = samples.Samples()
    with open(options.out / 'results.jsonl', 'w', encoding='utf-8', buffering=1) as results:
        print(json.dumps({'environment': where}), file=results)

        def keep(sample):
            print(json.dumps(sample), file=results)
            gathered.add(sample)

        status = measure(planned, keep)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # what there is is written, however one hurries
    found = [one for one in (fits.fit(gathered, rung) for rung in chosen) if one]
    print_tables(gathered, chosen, planned, found)
    page = options.out / 'report.html'
    report.write(page, gathered, chosen, planned, found, where, status == 0)
    print(f'\nreport: {os.path.relpath(page)}')
    print(tables.summary(gathered, chosen, found))
    return status


if __name__ == '__main__':
    try:
        sys.exit(main())
    except (RuntimeError, OSError) as error:
        say(error)
        sys.exit(getattr(error, 'status', 1))
    except KeyboardInterrupt:
        sys.exit(130)
