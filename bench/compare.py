"""The second half of bench/compare: builds, measures, prints the tables, and writes the page.

rouse-measure is run once for each case and round, and every line that it prints, a raw sample, is
kept in results.jsonl as it comes. What is said of them (samples.py, fits.py), the tables and the
page are made from the samples alone, so they can be made of half a run too.

SPDX-License-Identifier: MIT
"""

import argparse
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import time

import environment
import fits
import plan
import report
import samples
import tables
from rungs import Rung, title

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / 'build' / 'release'
MEASURE = BUILD / 'bench' / 'rouse-measure'


class Failure(RuntimeError):
    """What ends the command, in words; `status` is what it then ends with."""

    def __init__(self, message, status=1):
        super().__init__(message)
        self.status = status


def parse():
    parser = argparse.ArgumentParser(
        prog='bench/compare', add_help=False, allow_abbrev=False,
        usage='bench/compare [--quick] [--backends LIST] [--out DIR] [--list] [--yes] [--help]')
    parser.add_argument('--quick', action='store_true')
    parser.add_argument('--backends')
    parser.add_argument('--out', type=pathlib.Path, default=ROOT / 'build' / 'compare')
    parser.add_argument('--list', action='store_true')
    parser.add_argument('--yes', action='store_true')  # bench/compare has seen to it
    return parser.parse_args()


def build():
    """Builds rouse-measure; silent unless that fails."""
    setup = ['meson', 'setup', str(BUILD), str(ROOT), '--buildtype=release',
             '-Ddefault_library=static', '-Dtests=disabled', '-Dbench=enabled']
    for command in setup, ['meson', 'compile', '-C', str(BUILD)]:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors='replace', check=False)
        if done.returncode != 0:
            raise Failure(f'{done.stdout}\n{" ".join(command[:2])} failed, see above')


def find_rungs():
    """What rouse-measure says of each backend."""
    done = subprocess.run([MEASURE, 'list'], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f'rouse-measure list failed: {done.stderr.strip()}')
    return [Rung(place, **json.loads(line)) for place, line in enumerate(done.stdout.splitlines())]


def print_rungs(rungs):
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    rows = []
    for rung in rungs:
        below = f'below {min(rung.fd_limit or soft, soft):,}' if rung.compiled else ''
        rows.append([title(rung), 'yes' if rung.compiled else 'no',
                     'works' if rung.works else rung.why, below, 'yes' if rung.raw else 'no'])
    head = ['backend', 'compiled in', 'here and now', 'descriptors', 'raw loop']
    print(tables.Table(head, rows).text())


def choose(rungs, wanted):
    """The backends to measure: those asked for, or all that work."""
    if wanted is None:
        for rung in rungs:
            if not rung.works:
                print(f'bench/compare: {rung.backend} is left out: {rung.why}', file=sys.stderr)
        chosen = [rung for rung in rungs if rung.works]
        if not chosen:
            raise Failure('no backend works here: see --list', 2)
        return chosen
    by_name = {rung.backend: rung for rung in rungs}
    names = list(dict.fromkeys(wanted.split(',')))
    for name in names:
        if name not in by_name:
            raise Failure(f"unknown backend '{name}': there are {', '.join(by_name)}", 2)
        if not by_name[name].works:
            raise Failure(f'{name} does not work here: {by_name[name].why}', 2)
    return [by_name[name] for name in names]


class Progress:
    """One line on stderr that is overwritten; nothing where that is no terminal."""

    def __init__(self, steps):
        self.shown = sys.stderr.isatty()
        self.steps = steps
        self.done = 0
        self.began = time.monotonic()

    def step(self, text):
        if self.shown:
            print(f'\r\033[K{100 * self.done / self.steps:3.0f} %  '
                  f'{time.monotonic() - self.began:3.0f} s  {text}', end='', file=sys.stderr,
                  flush=True)
        self.done += 1

    def clear(self):
        if self.shown:
            print('\r\033[K', end='', file=sys.stderr, flush=True)


def measure_case(number, case, keep):
    """Runs one case; keeps each of its samples as soon as the line is whole."""
    with subprocess.Popen([MEASURE, *case], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as process:
        try:
            for line in process.stdout:
                if line.endswith('\n'):
                    keep({**json.loads(line), 'round': number})
            error = process.stderr.read().strip()
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise Failure(f'rouse-measure {" ".join(case)}: {error or "ended by a signal"}')


def measure(planned, keep):
    """Runs all cases; returns what the command will end with. A lesson may fail: not every system
    has so many threads."""
    cases = list(planned.in_order())
    progress = Progress(len(cases))
    try:
        for number, case in cases:
            progress.step(' '.join(case[:3]))
            try:
                measure_case(number, case, keep)
            except Failure as failure:
                if case[1] not in planned.lessons:
                    raise
                progress.clear()
                left_out = str(failure).splitlines()[0]
                print(f'bench/compare: left out: {left_out}', file=sys.stderr)
                planned.notes[case[0]].append(f'Left out: {left_out}.')
    except KeyboardInterrupt:
        progress.clear()
        print('bench/compare: interrupted; this is what there is', file=sys.stderr)
        return 130
    except Failure as failure:
        progress.clear()
        print(f'bench/compare: {failure}', file=sys.stderr)
        return failure.status
    progress.clear()
    return 0


def print_tables(found_samples, rungs, planned, found):
    """All that is said on the terminal, but for the summary."""
    def said(workload):
        return report.notes(rungs, planned.notes[workload])

    for heading, made, notes in (
            ('idle: N watched descriptors, one active. CPU time of a turn: write, wait, read.',
             tables.idle(found_samples, rungs), said('idle')),
            ("The library's counted work for each wait of idle.",
             tables.work(found_samples, rungs), [tables.WORK_NOTE]),
            ('chain: a bytes go round a ring of n pipes. CPU time of a hop: read, write, 1/a wait.',
             tables.chain(found_samples, rungs), said('chain')),
            (f'chain again, against raw level {plan.BASE}: the CPU time of rouse on each backend, '
             f'over that of\na hand-written loop on {plan.BASE}.',
             tables.against(found_samples, rungs), []),
            ('hold: what it takes to watch N descriptors on which nothing happens, and what an '
             'event then takes.', tables.hold(found_samples, rungs), said('hold')),
            ('c10k: an echo server and a client, two processes. CPU time of the server.',
             tables.c10k(found_samples, rungs), said('c10k'))):
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
    build()
    rungs = find_rungs()
    if options.list:
        print_rungs(rungs)
        return 0
    chosen = choose(rungs, options.backends)
    base = any(rung.backend == plan.BASE and rung.raw for rung in rungs)
    planned = plan.Plan(chosen, base, options.quick)
    for warning in planned.warnings:
        print(f'bench/compare: {warning}', file=sys.stderr)
    where = environment.environment(ROOT, BUILD, chosen[0].compiler,
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
        print(f'bench/compare: {error}', file=sys.stderr)
        sys.exit(getattr(error, 'status', 1))
    except KeyboardInterrupt:
        sys.exit(130)
