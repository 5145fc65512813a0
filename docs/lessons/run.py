"""The second half of docs/lessons/run: lists the lessons, builds them, runs them, writes the pages.

Usage: run.py list OPTIONS, and if that ends with 3, run.py run OPTIONS. The first needs nothing but
Python: it refuses options that are wrong, and lists the lessons if none is to be run.
Each is a program, which prints for itself and asks for guesses; its claims are added up here.

SPDX-License-Identifier: MIT
"""

import argparse
import collections
import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys

import pages

ROOT = pages.HERE.parent.parent
BUILD = ROOT / 'build' / 'lessons'
SETUP = ['--buildtype=debugoptimized', '-Ddefault_library=shared', '-Dtests=disabled',
         '-Dbench=disabled', '-Dlessons=enabled']
STAMP = 'made-for.json'
TO_RUN = 3  # what `list` ends with if there are lessons to run


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
    parser.add_argument('step', choices=['list', 'run'])
    parser.add_argument('names', nargs='*')
    parser.add_argument('--all', action='store_true')
    parser.add_argument('--backend', nargs='?', const='')
    parser.add_argument('--write', action='store_true')
    parser.add_argument('--yes', action='store_true')
    options, rest = parser.parse_known_intermixed_args()
    if rest:
        parser.error(f"'{rest[0]}' is not understood")
    options.name = options.names[0] if options.names else None
    wrong = contradiction(options)
    if wrong:
        raise Failure(wrong, 2)
    return options


def contradiction(options):
    """Why these options are wrong together; None if they are not."""
    if len(options.names) + options.all > 1:
        return 'one lesson at a time, or --all for all of them'
    if options.backend == '':
        return '--backend wants the name of a backend after it'
    if options.backend and options.write:
        return '--write is without --backend: pages show what the default backend does'
    if options.backend and not (options.name or options.all):
        return f'--backend wants a lesson too, of {", ".join(with_backend())}, or --all'
    return None


def with_backend():
    return [lesson.name for lesson in pages.lessons() if 'backend' in lesson.words]


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
        raise Failure(f'{options.name} shows the same on every backend and takes no --backend; '
                      f'those that do: {", ".join(with_backend())}', 2)
    return chosen


def show(chosen):
    for lesson in chosen:
        print(f'{lesson.number:2}. {lesson.name:20}{lesson.shows}')
    print(f'\n--backend B is for {", ".join(with_backend())}; see --help')


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


def forget():
    """Empties the build directory, but for the lock, if it was made for another tree, of which this
    is a copy, or with other options."""
    stamp = json.dumps([str(ROOT), SETUP, os.environ.get('CC'), os.environ.get('CFLAGS')])
    file = BUILD / STAMP
    if file.exists() and file.read_text(encoding='utf-8') == stamp:
        return
    for path in BUILD.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != 'lock':
            path.unlink()
    file.write_text(stamp, encoding='utf-8')


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
    """In the block nobody else builds here, where there is nothing of another tree."""
    try:
        BUILD.mkdir(parents=True, exist_ok=True)
        lock = open(BUILD / 'lock', 'w', encoding='ascii')
        fcntl.flock(lock, fcntl.LOCK_EX)
        forget()
    except OSError as error:
        for path in (BUILD.parent, BUILD):
            if path.exists() and not path.is_dir():
                raise Failure(f'{path} is not a directory: move it elsewhere', 2) from error
        raise Failure(f'you may not write to {BUILD} ({error.strerror}): copy the tree, and run '
                      'that', 2) from error
    with lock:
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
    if process.returncode == -signal.SIGPIPE:
        os.kill(os.getpid(), signal.SIGPIPE)  # nobody listens any more
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
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    options = parse()
    chosen = choose(options)
    if options.step == 'list':
        if options.name or options.all or options.write:
            return TO_RUN
        show(chosen)
        return 0
    with locked():
        chosen = build(chosen)
    if options.write:
        pages.fill(pages.HERE / 'README.md', {'index': pages.index()})
    if options.name is None:
        return run_all(chosen, options)
    return 1 if run(chosen[0], options)['broken'] else 0


def main_in_words():
    """Returns what the command ends with."""
    try:
        status = main()
        if sys.stdout:  # else it is closed
            sys.stdout.flush()
        return status
    except (RuntimeError, OSError) as error:
        say(error)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for what could not be printed
        return getattr(error, 'status', 1)
    except KeyboardInterrupt:
        return 130


if __name__ == '__main__':
    sys.exit(main_in_words())
