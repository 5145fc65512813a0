"""The second half of tests/run: runs the tests of every build, and counts.

Meson knows the tests (tests/meson.build is their table); this asks it for them, asks each program
for its cases, and runs the programs side by side, one process for all cases of a program. A case
that ends the process, or hangs, fails alone: the others are run again without it. The same case in
several builds counts once: it has failed if it failed in any, and passed if it passed in any.
With a target there is one build, for it; where its programs cannot run here, each that is built is
a case.

SPDX-License-Identifier: MIT
"""

import argparse
import collections
import concurrent.futures
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import builds
from builds import ASAN, PLAIN, TSAN, VALGRIND
from targets import boot

# What cmocka and check.py print of a case.
LINE = re.compile(r'\[( RUN      |       OK |  FAILED  |  ERROR   |  SKIPPED )\] (\S+)$')

# A test program on a backend ('' if it has none), and its cases.
Program = collections.namedtuple('Program', 'name backend command environment timeout suites cases')


class Progress:
    """One line that is overwritten, on a terminal; nothing elsewhere."""

    def __init__(self):
        self.shown = sys.stderr.isatty()
        self.lock = threading.Lock()

    def say(self, text):
        if self.shown:
            with self.lock:
                width = shutil.get_terminal_size().columns - 1
                sys.stderr.write('\r\033[K' + text[:width])
                sys.stderr.flush()

    def clear(self):
        self.say('')


class Results:
    """What has become of each case, over all builds."""

    def __init__(self):
        self.state = {}
        self.reason = {}
        self.hung = set()
        self.lock = threading.Lock()

    def add(self, name, state, text, build):
        with self.lock:
            before = self.state.get(name)
            if state == 'failed':
                self.state[name] = 'failed'
                progress.clear()
                print(f'FAILED {name} ({build.name})')
                for line in text.rstrip().splitlines()[-60:]:
                    print('  | ' + line)
                sys.stdout.flush()
            elif before is None or (before == 'skipped' and state == 'passed'):
                self.state[name] = state
                self.reason[name] = text

    def count_contract(self, where):
        """Prints what has become of the contract's cases on each backend."""
        counts = collections.defaultdict(collections.Counter)
        for name, state in self.state.items():
            match = re.match(r'(\S+) contract_\w+/', name)
            if match:
                counts[match.group(1)][state] += 1
        for backend, count in sorted(counts.items()):
            print(f'contract on {where}, {backend}: {say_count(count)}')

    def finish(self, where='this machine'):
        """Prints the reason of each skip, what failed, and the last line; the exit status."""
        count = collections.Counter(self.state.values())
        for name, state in sorted(self.state.items()):
            if state == 'skipped':
                print(f'skipped {name}: {self.reason[name]}')
        for name, state in sorted(self.state.items()):
            if state == 'failed':
                print(f'failed {name}')
        self.count_contract(where)
        print(say_count(count))
        return 0 if count['passed'] > 0 and count['failed'] == 0 else 1


def say_count(count):
    return f'{count["passed"]} passed, {count["failed"]} failed, {count["skipped"]} skipped'


progress = Progress()
results = Results()
alive = set()  # the processes of the tests, each the leader of its group
interrupted = threading.Event()


def test_name(program):
    """What meson calls it."""
    return f'{program.name} {program.backend}'.rstrip().replace(':', '-')


def display(program, case):
    return f'{program.backend} {program.name}/{case}'.lstrip()


def environment_of(program, build, **more):
    environment = dict(os.environ, PYTHONDONTWRITEBYTECODE='1', LC_ALL='C')
    for name in ('ROUSE_BACKEND', 'ROUSE_TEST_LIST', 'ROUSE_TEST_CASES', 'CMOCKA_MESSAGE_OUTPUT',
                 'CMOCKA_TEST_ABORT'):
        environment.pop(name, None)
    environment.update(build.environment)
    environment.update(program.environment)
    if build.cross:
        environment['MESON_EXE_WRAPPER'] = ' '.join(build.wrapper)  # for scripts: check.py
    environment.update(more)
    return environment


def command_of(program, build):
    """The command that runs a program. A script runs here, and programs of ours by itself."""
    return (build.wrapper if 'program' in program.suites else []) + program.command


def list_cases(program, build):
    """The names of all cases of a program, as this build of it knows them."""
    if build.wrapper is None:
        return ['links']
    listed = subprocess.run(command_of(program, build), stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding='utf-8',
                            errors='replace', cwd=builds.FOLDER / build.name,
                            env=environment_of(program, build, ROUSE_TEST_LIST='1'))
    if listed.returncode != 0 or not listed.stdout.split():
        results.add(display(program, 'list'), 'failed',
                    f'{listed.stdout}{listed.stderr}\n'
                    f'asked for its cases, the program {ending(listed.returncode)}', build)
        return []
    return listed.stdout.split()


def programs_of(build, chosen):
    """All programs of a build that have chosen cases, with these."""
    programs = []
    for test in builds.tests_of(build).values():
        name, backend = test['name'].split(' ')[0], test['env'].get('ROUSE_BACKEND', '')
        suites = {suite.split(':')[-1] for suite in test['suite']}
        if build.wrapper is None and name in [program.name for program in programs]:
            continue  # that it is not run on another backend is no case
        if suites & build.suites:
            programs.append(Program(name, '' if build.wrapper is None else backend, test['cmd'],
                                    test['env'], test['timeout'] * build.patience, suites, []))
    with concurrent.futures.ThreadPoolExecutor(builds.JOBS) as pool:
        listed = pool.map(list_cases, programs, itertools.repeat(build))
    programs = [program._replace(cases=[case for case in cases if chosen(program, case)])
                for program, cases in zip(programs, listed)]
    # Those that build the library again take longest, and begin.
    return sorted((program for program in programs if program.cases),
                  key=lambda program: program.name != 'build')


def parse(text):
    """The cases that a program told of: name to (state, what it printed); and the one it was in."""
    told, running, log = {}, None, []
    for line in text.splitlines():
        match = LINE.search(line)
        word = match.group(1).strip() if match else None
        if word == 'RUN':
            running, log = match.group(2), []
        elif running is not None and match and match.group(2) == running:
            told[running] = ({'OK': 'passed', 'SKIPPED': 'skipped'}.get(word, 'failed'),
                             '\n'.join(log + [line[:match.start()]]))
            running = None
        else:
            log.append(line)
    return told, running, '\n'.join(log)


def reason_of(log):
    reasons = re.findall(r'skip: (.*)', log)
    return reasons[-1] if reasons else 'no reason given'


def ending(status):
    """How a program ended, in words."""
    if status < 0:
        return f'was ended by {signal.Signals(-status).name}'
    return f'ended with status {status}'


def execute(program, build, cases):
    """Runs a program once; returns its output and how it ended, in words ('' if well)."""
    process = subprocess.Popen(command_of(program, build), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               start_new_session=True, encoding='utf-8', errors='replace',
                               cwd=builds.FOLDER / build.name,
                               env=environment_of(program, build,
                                                  ROUSE_TEST_CASES=','.join(cases)))
    alive.add(process)
    try:
        text, _ = process.communicate(timeout=program.timeout)
        ended = ending(process.returncode) if process.returncode != 0 else ''
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        text, _ = process.communicate()
        ended = f'hangs: nothing for {program.timeout} seconds'
    alive.discard(process)
    return text, ended


def run_once(program, build, cases):
    """Runs these cases in one process; returns those that are to be run again without the one that
    ended it."""
    text, ended = execute(program, build, cases)
    if interrupted.is_set():
        return []
    told, running, log = parse(text)
    for case in [case for case in cases if case in told]:
        state, case_log = told[case]
        detail = reason_of(case_log) if state == 'skipped' else case_log
        results.add(display(program, case), state, detail, build)
    rest = [case for case in cases if case not in told]
    if running in rest:
        if ended.startswith('hangs'):
            results.hung.add(display(program, running))  # not to be waited for again
        results.add(display(program, running), 'failed',
                    f'{log}\nthe program {ended or "ended"} in this case', build)
        rest.remove(running)
        return rest
    for case in rest:
        results.add(display(program, case), 'failed',
                    f'{text}\nthe program {ended or "ended"} and never began this case', build)
    if ended and not rest and all(state != 'failed' for state, _ in told.values()):
        results.add(display(program, 'end'), 'failed',
                    f'{text}\nall cases passed, but the program {ended}', build)
    return []


def run(program, build):
    left = [case for case in program.cases if display(program, case) not in results.hung]
    while left and not interrupted.is_set():
        progress.say(f'{build.name}: {display(program, left[0])}')
        left = run_once(program, build, left)


def link_build(build, programs, began):
    """Makes a build whose programs cannot run here; what has been linked has passed."""
    progress.say(f'building {build.name}')
    builds.make(build)
    for program in programs:
        results.add(display(program, 'links'), 'passed', '', build)
    progress.clear()
    print(f'{build.name}: {len(programs)} programs; built in {time.monotonic() - began:.0f} s',
          flush=True)


def run_build(build, programs, began):
    """Makes a build of these programs, which began when the clock said so, and runs them."""
    refusal = builds.refusal_of(build)
    if refusal:
        results.add(f'all cases with {build.name}', 'skipped', refusal, build)
        return
    progress.say(f'building {build.name}')
    builds.make(build, [test_name(program) for program in programs])
    built = time.monotonic()
    tests = builds.tests_of(build)
    with builds.running(build) as build:
        pool = concurrent.futures.ThreadPoolExecutor(build.jobs)
        begun = []
        for program in programs:
            test = tests[test_name(program)]
            begun.append(pool.submit(run, program._replace(command=test['cmd'],
                                                           environment=test['env']), build))
        try:
            for done in begun:
                done.result()
        except KeyboardInterrupt:  # ends the programs before what they run upon
            interrupted.set()
            for process in list(alive):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    progress.clear()
    cases = sum(len(program.cases) for program in programs)
    print(f'{build.name}: {cases} cases; built in {built - began:.0f} s, '
          f'run in {time.monotonic() - built:.0f} s', flush=True)


def check_backend(name, build):
    """Ends with 2 if no program runs on the backend that was asked for."""
    known = {test['env'].get('ROUSE_BACKEND') for test in builds.tests_of(build).values()}
    if name not in known:
        names = ', '.join(sorted(known - {None}))
        print(f'tests/run: no backend {name!r} in this build; there are: {names}', file=sys.stderr)
        sys.exit(2)


def builds_of(options):
    """The builds that are asked for. The first is the one that is asked for its cases."""
    if options.target:
        return builds.of_target(options.target)
    return [PLAIN, VALGRIND] if options.valgrind else [PLAIN, ASAN, TSAN]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--list', action='store_true')
    parser.add_argument('--filter', default='')
    parser.add_argument('--backend', default='')
    parser.add_argument('--target', default='')
    parser.add_argument('--valgrind', action='store_true')
    options = parser.parse_args()

    def chosen(program, case):
        return options.filter in display(program, case) and \
            options.backend in ('', program.backend)

    wanted = builds_of(options)
    build = wanted[0]
    builds.lock()
    began = time.monotonic()
    try:
        progress.say(f'building {build.name}')
        builds.make(build)
        with builds.serving(build):
            if options.backend:
                check_backend(options.backend, build)
            programs = programs_of(build, chosen)
            progress.clear()
            if not programs:
                print('tests/run: no case has that name', file=sys.stderr)
            if options.list:
                for program in programs:
                    print('\n'.join(display(program, case) for case in program.cases))
                return 0 if programs else 1
            for build in wanted:
                of_build = [program for program in programs if program.suites & build.suites]
                for backend in {program.backend for program in of_build} & set(build.unable):
                    results.add(f'{backend} with {build.name}', 'skipped',
                                build.unable[backend], build)
                    of_build = [program for program in of_build if program.backend != backend]
                if of_build:
                    (link_build if build.wrapper is None else run_build)(build, of_build, began)
                began = time.monotonic()
    except (builds.Failed, boot.Gone) as error:
        results.add(f'build {build.name}', 'failed', str(error), build)
    return results.finish(options.target or 'this machine')


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends what it runs too
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        progress.clear()
        print('tests/run: interrupted', file=sys.stderr)
        os._exit(130)  # without waiting for the threads
