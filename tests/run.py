"""The second half of tests/run: builds, runs the tests of every build, and counts.

Meson knows the tests (tests/meson.build is their table); this asks it for them, asks each program
for its cases, and runs the programs side by side, one process for all cases of a program. A case
that ends the process, or hangs, fails alone: the others are run again without it. The same case in
several builds counts once: it has failed if it failed in any, and passed if it passed in any.

SPDX-License-Identifier: MIT
"""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / 'build' / 'tests'
JOBS = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
LINE = re.compile(r'\[( RUN      |       OK |  FAILED  |  ERROR   |  SKIPPED )\] (\S+)$')

# A build: what it is called, how it is configured, how the compiler is asked whether it can, the
# suites that are run in it, and the environment of the tests.
Build = collections.namedtuple('Build', 'name options sanitizer suites environment wrapper')
PLAIN = Build('plain', [], None, {'program', 'examples', 'check'}, {}, [])
ASAN = Build('asan+ubsan', ['-Db_sanitize=address,undefined', '-Db_lundef=false',
                            '-Dc_args=-fno-sanitize-recover=all -fno-omit-frame-pointer'],
             'address,undefined', {'program', 'examples'},
             {'ASAN_OPTIONS': 'detect_leaks=1:detect_stack_use_after_return=1:handle_segv=2:'
                              'handle_sigbus=2:handle_sigfpe=2',
              'UBSAN_OPTIONS': 'print_stacktrace=1'}, [])
TSAN = Build('tsan', ['-Db_sanitize=thread', '-Db_lundef=false'], 'thread', {'threads'},
             {'TSAN_OPTIONS': 'halt_on_error=1:second_deadlock_stack=1'}, [])
VALGRIND = Build('valgrind', [], None, {'program'}, {},
                 ['valgrind', '-q', '--error-exitcode=99', '--leak-check=full'])

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


progress = Progress()
alive = set() # the processes of the tests, each the leader of its group


def display(program, case):
    return f'{program.backend} {program.name}/{case}'.lstrip()


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
                if before != 'failed':
                    self.state[name] = 'failed'
                progress.clear()
                print(f'FAILED {name} ({build})')
                for line in text.rstrip().splitlines()[-60:]:
                    print('  | ' + line)
                sys.stdout.flush()
            elif before is None or (before == 'skipped' and state == 'passed'):
                self.state[name] = state
                self.reason[name] = text

    def finish(self):
        count = collections.Counter(self.state.values())
        for name, state in sorted(self.state.items()):
            if state == 'skipped':
                print(f'skipped {name}: {self.reason[name]}')
        for name, state in sorted(self.state.items()):
            if state == 'failed':
                print(f'failed {name}')
        print(f'{count["passed"]} passed, {count["failed"]} failed, {count["skipped"]} skipped')
        return 0 if count['passed'] > 0 and count['failed'] == 0 else 1


results = Results()


def can_sanitize(build):
    """None if programs with the build's sanitizer run here, else why not."""
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / 'empty.c'
        source.write_text('int main(void) { return 0; }\n')
        compiler = os.environ.get('CC', 'cc').split()
        program = source.with_suffix('')
        made = subprocess.run(compiler + [f'-fsanitize={build.sanitizer}', str(source), '-o',
                                          str(program)], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if made.returncode != 0:
            return f'{compiler[0]} cannot make programs with -fsanitize={build.sanitizer}'
        ran = subprocess.run(build.wrapper + [str(program)], stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if ran.returncode != 0:
            return f'programs made with -fsanitize={build.sanitizer} do not run here'
    return None


def logged(command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, encoding='utf-8', errors='replace')
    return done.returncode, done.stdout


def make(build):
    """Configures and compiles; whether it worked. A directory that was made with other options, or
    for a tree elsewhere, is made anew."""
    folder = BUILD / build.name
    # Where code is instrumented, compilers warn of values that cannot be.
    werror = str(build.sanitizer is None).lower()
    options = [f'-Dwerror={werror}', '-Dtests=enabled', '-Dbench=disabled'] + build.options
    stamp = json.dumps([str(ROOT), options, os.environ.get('CC'), os.environ.get('CFLAGS')])
    stamp_file = folder / 'made-for.json'
    progress.say(f'building {build.name}')
    if not stamp_file.exists() or stamp_file.read_text() != stamp:
        shutil.rmtree(folder, ignore_errors=True)
        status, text = logged(['meson', 'setup', str(folder), str(ROOT)] + options)
        if status != 0:
            results.add(f'build {build.name}', 'failed', text, build.name)
            return False
        stamp_file.write_text(stamp)
    status, text = logged(['meson', 'compile', '-C', str(folder), '-j', str(JOBS)])
    if status != 0:
        text = re.sub(r'^\[\d+/\d+\] (Compiling|Linking|Generating) .*\n', '', text, flags=re.M)
        results.add(f'build {build.name}', 'failed', text, build.name)
    return status == 0


def environment_of(program, build, **more):
    environment = dict(os.environ, PYTHONDONTWRITEBYTECODE='1', LC_ALL='C')
    for name in ('ROUSE_BACKEND', 'ROUSE_TEST_LIST', 'ROUSE_TEST_CASES', 'CMOCKA_MESSAGE_OUTPUT',
                 'CMOCKA_TEST_ABORT'):
        environment.pop(name, None)
    environment.update(build.environment)
    environment.update(program.environment)
    environment.update(more)
    return environment


def programs_of(build, chosen):
    """The programs of a build with their cases, as far as they are chosen."""
    status, text = logged(['meson', 'introspect', '--tests', str(BUILD / build.name)])
    assert status == 0, text
    programs = []
    for test in json.loads(text):
        suites = {suite.split(':')[-1] for suite in test['suite']}
        if not suites & build.suites:
            continue
        backend = test['env'].get('ROUSE_BACKEND', '')
        name = test['name'].split(' ')[0]
        program = Program(name, backend, test['cmd'], test['env'], test['timeout'], suites, [])
        listed = subprocess.run(program.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, encoding='utf-8', errors='replace',
                                cwd=BUILD / build.name,
                                env=environment_of(program, build, ROUSE_TEST_LIST='1'))
        if listed.returncode != 0 or not listed.stdout.split():
            results.add(display(program, 'list'), 'failed',
                        f'it does not list its cases:\n{listed.stdout}', build.name)
            continue
        cases = [case for case in listed.stdout.split()
                 if chosen(program, case) and display(program, case) not in results.hung]
        if cases:
            programs.append(program._replace(cases=cases))
    return programs


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


def execute(program, build, cases):
    """Runs a program once; returns its output and how it ended, in words ('' if well)."""
    command = build.wrapper + program.command
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, start_new_session=True,
                               encoding='utf-8', errors='replace', cwd=BUILD / build.name,
                               env=environment_of(program, build,
                                                  ROUSE_TEST_CASES=','.join(cases)))
    alive.add(process)
    try:
        text, _ = process.communicate(timeout=program.timeout)
        ended = f'ended with status {process.returncode}' if process.returncode != 0 else ''
        if process.returncode < 0:
            ended = f'was ended by {signal.Signals(-process.returncode).name}'
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        text, _ = process.communicate()
        ended = f'hangs: nothing for {program.timeout} seconds'
    alive.discard(process)
    return text, ended


def run(program, build):
    """Runs all cases of a program, again and again without those that have ended it."""
    left = list(program.cases)
    while left:
        progress.say(f'{build.name}: {display(program, left[0])}')
        text, ended = execute(program, build, left)
        told, running, log = parse(text)
        for case in [case for case in left if case in told]:
            state, case_log = told[case]
            detail = reason_of(case_log) if state == 'skipped' else case_log
            results.add(display(program, case), state, detail, build.name)
        rest = [case for case in left if case not in told]
        if running in rest:
            if ended.startswith('hangs'):
                results.hung.add(display(program, running)) # not to be waited for again
            results.add(display(program, running), 'failed',
                        f'{log}\nthe program {ended or "ended"} in this case', build.name)
            rest.remove(running)
        elif rest:
            for case in rest:
                results.add(display(program, case), 'failed',
                            f'{log}\nthe program {ended or "ended"} before this case', build.name)
            return
        elif ended and all(state != 'failed' for state, _ in told.values()):
            results.add(display(program, 'end'), 'failed',
                        f'{text}\nall cases passed, but the program {ended}', build.name)
        left = rest


def run_build(build, chosen):
    """Makes a build and runs what is chosen in it; whether it could be made."""
    started = time.monotonic()
    if build.sanitizer:
        refusal = can_sanitize(build)
        if refusal:
            results.add(f'all cases with {build.name}', 'skipped', refusal, build.name)
            return True
    if not make(build):
        return False
    built = time.monotonic()
    # Those that build the library again take longest, and begin.
    programs = sorted(programs_of(build, chosen), key=lambda program: program.name != 'build')
    pool = concurrent.futures.ThreadPoolExecutor(JOBS)
    for done in [pool.submit(run, program, build) for program in programs]:
        done.result()
    progress.clear()
    cases = sum(len(program.cases) for program in programs)
    print(f'{build.name}: {cases} cases; built in {built - started:.0f} s, '
          f'run in {time.monotonic() - built:.0f} s', flush=True)
    return True


def list_cases(chosen):
    if not make(PLAIN):
        return results.finish()
    programs = programs_of(PLAIN, chosen)
    progress.clear()
    for program in programs:
        for case in program.cases:
            print(display(program, case))
    if not programs:
        print('tests/run: no case has that name', file=sys.stderr)
    return 0 if programs else 1


def check_backend(name):
    """Ends with 2 if no program runs on the backend that was asked for."""
    status, text = logged(['meson', 'introspect', '--tests', str(BUILD / PLAIN.name)])
    assert status == 0, text
    known = {test['env'].get('ROUSE_BACKEND') for test in json.loads(text)}
    if name not in known:
        names = ', '.join(sorted(known - {None}))
        print(f'tests/run: no backend {name!r} in this build; there are: {names}', file=sys.stderr)
        sys.exit(2)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--list', action='store_true')
    parser.add_argument('--filter', default='')
    parser.add_argument('--backend', default='')
    parser.add_argument('--valgrind', action='store_true')
    options = parser.parse_args()

    def chosen(program, case):
        return options.filter in display(program, case) and \
            options.backend in ('', program.backend)

    if options.backend and make(PLAIN):
        check_backend(options.backend)
    if options.list:
        return list_cases(chosen)
    if run_build(PLAIN, chosen):
        programs = programs_of(PLAIN, chosen)
        for build in [VALGRIND] if options.valgrind else [ASAN, TSAN]:
            if any(program.suites & build.suites for program in programs):
                run_build(build, chosen)
    return results.finish()


if __name__ == '__main__':
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        for process in list(alive):
            os.killpg(process.pid, signal.SIGKILL)
        progress.clear()
        os._exit(130) # without waiting for the threads, which would start the next program
