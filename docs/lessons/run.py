"""The second half of docs/lessons/run: lists the lessons, builds them, runs them, writes the pages.

Each is a program, which prints for itself and asks for guesses; its claims are added up here.

SPDX-License-Identifier: MIT
"""

import argparse
import collections
import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys

import pages

ROOT = pages.HERE.parent.parent
BUILD = ROOT / 'build' / 'lessons'
SETUP = ['--buildtype=debugoptimized', '-Ddefault_library=shared', '-Dtests=disabled',
         '-Dbench=disabled', '-Dlessons=enabled']


class Failure(RuntimeError):
    """What ends the command, in words; `status` is what it then ends with."""

    def __init__(self, message, status=1):
        super().__init__(message)
        self.status = status


def say(text):
    print(f'docs/lessons/run: {text}', file=sys.stderr)


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise Failure(f'{message}; there are NAME, --all, --backend B, --write, --yes, --help', 2)


def parse():
    parser = Parser(add_help=False, allow_abbrev=False)
    parser.add_argument('name', nargs='?')
    parser.add_argument('--all', action='store_true')
    parser.add_argument('--backend')
    parser.add_argument('--write', action='store_true')
    parser.add_argument('--yes', action='store_true')
    options = parser.parse_args()
    if options.name and options.all:
        parser.error(f"either '{options.name}' or --all")
    if options.backend and (options.write or not (options.name or options.all)):
        parser.error('--backend is for a lesson, or --all, and not for what is written')
    return options


def choose(options):
    """The lessons to run."""
    found = pages.lessons()
    if options.name is None:
        return found
    chosen = [lesson for lesson in found if lesson.name == options.name]
    if not chosen:
        names = ', '.join(lesson.name for lesson in found)
        raise Failure(f"no lesson '{options.name}': there are {names}", 2)
    if options.backend and 'backend' not in chosen[0].words:
        raise Failure(f'{options.name} shows the same on every backend and takes no --backend', 2)
    return chosen


def quietly(*command):
    """Silent unless it fails; returns what it printed."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors='replace', check=False)
    if done.returncode != 0:
        raise Failure(f'{done.stdout}\n{" ".join(map(str, command[:2]))} failed, see above')
    return done.stdout


def buildable(chosen):
    targets = json.loads(quietly('meson', 'introspect', '--targets', BUILD))
    names = {target['name'] for target in targets}
    return [lesson for lesson in chosen if lesson.name in names]


def build(chosen):
    """Makes the programs of these lessons; returns those that can be made here."""
    quietly('meson', 'setup', BUILD, ROOT, *SETUP)
    found = buildable(chosen)
    if found != chosen:  # a library that was installed after the last time is found
        quietly('meson', 'configure', BUILD, '--clearcache')
        quietly('meson', 'setup', '--reconfigure', BUILD, ROOT, *SETUP)
        found = buildable(chosen)
    for lesson in chosen:
        if lesson not in found:
            say(f'{lesson.name} is left out: it needs {", ".join(lesson.words)}')
    if not found:
        raise Failure('there is nothing to run', 2)
    quietly('meson', 'compile', '-C', BUILD, *[lesson.name for lesson in found])
    return found


@contextlib.contextmanager
def locked():
    """In the block nobody else builds here."""
    try:
        BUILD.mkdir(parents=True, exist_ok=True)
        lock = open(BUILD / 'lock', 'w', encoding='ascii')
    except PermissionError as error:
        raise Failure(f'you may not write to {BUILD}: copy the tree, and run that', 2) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def command_of(lesson, options):
    command = [BUILD / 'docs' / 'lessons' / lesson.name]
    if options.yes or options.write:
        command.append('--yes')
    if options.backend and 'backend' in lesson.words:
        command += ['--backend', options.backend]
    return command


def run(lesson, options):
    """Runs a lesson; returns its claims: how many held, did not, could not be shown. To write its
    page, what it prints is read here."""
    tally, writes = os.pipe()
    printed = subprocess.PIPE if options.write else None
    with subprocess.Popen([*command_of(lesson, options), '--tally', str(writes)], text=True,
                          stdout=printed, pass_fds=[writes]) as process:
        os.close(writes)
        text = process.communicate()[0]
    with open(tally, encoding='ascii') as told:
        claims = told.read().split()
    if process.returncode == 2:
        sys.exit(2)  # it has said why
    if not claims:
        ended = (f'ended with status {process.returncode}' if process.returncode >= 0 else
                 f'was ended by {signal.Signals(-process.returncode).name}')
        raise Failure(f'{lesson.name} {ended}')
    if options.write:
        print(text, end='')
        pages.fill(pages.page(lesson), {name: pages.block_of(section)
                                        for name, section in pages.sections(text).items()})
    return collections.Counter(dict(zip(('held', 'broken', 'skipped'), map(int, claims))))


def run_all(chosen, options):
    """Runs them one after the other; one that fails does not keep the others from running."""
    total, failed = collections.Counter(), []
    for number, lesson in enumerate(chosen):
        if number > 0:
            print(f'\n{"-" * 80}\n', flush=True)
        try:
            total += run(lesson, options)
        except Failure as failure:
            say(failure)
            failed.append(lesson.name)
    skipped = f', {total["skipped"]} could not be shown here' if total['skipped'] else ''
    ended = f'; not to its end: {", ".join(failed)}' if failed else ''
    print(f'\n{len(chosen)} lessons, {total["held"]} claims held, {total["broken"]} did not'
          f'{skipped}{ended}')
    return 1 if total['broken'] or failed else 0


def main():
    options = parse()
    chosen = choose(options)
    if options.name is None and not options.all and not options.write:
        for lesson in chosen:
            print(f'{lesson.number:2}. {lesson.name:20}{lesson.shows}')
        return 0
    with locked():
        chosen = build(chosen)
    if options.write:
        pages.fill(pages.HERE / 'README.md', {'index': pages.index()})
    if options.name is None:
        return run_all(chosen, options)
    return 1 if run(chosen[0], options)['broken'] else 0


if __name__ == '__main__':
    try:
        sys.exit(main())
    except (RuntimeError, OSError) as error:
        say(error)
        sys.exit(getattr(error, 'status', 1))
    except KeyboardInterrupt:
        sys.exit(130)
