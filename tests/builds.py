"""The ways in which tests/run builds: plain, under valgrind, with the sanitizers, and for targets.

Each has a directory of its own under build/tests, which is kept for the next time, and made anew if
it was made with other options or for a tree elsewhere. Sanitized builds make only what is going
to be run in them.

A target is another processor, C library, or system. What it is to meson is in a cross file,
tests/targets/NAME.ini, or in several, NAME-*.ini, each of which is a build; what the tests need of
its libraries, cmocka, is built for it from source. Or it is another kernel, linux-VERSION: then it
is built as for here, and run in a virtual machine.

SPDX-License-Identifier: MIT
"""

import ast
import collections
import configparser
import contextlib
import fcntl
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from targets import boot

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDER = ROOT / 'build' / 'tests'
TARGETS = ROOT / 'build' / 'targets'
JOBS = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1

# What it is called, how it is configured, its sanitizer as the compiler names it, the suites of
# tests/meson.build that are run in it, the environment of the tests, what stands before them, the
# backends that it cannot run, with the reason, its cross file, the folder of the kernel that is
# booted for it, how many programs may run at a time, and how many times as long as here one may
# take. One without a wrapper, which is None, is only built.
Build = collections.namedtuple('Build', 'name options sanitizer suites environment wrapper unable '
                               'cross kernel jobs patience',
                               defaults=[{}, None, None, JOBS, 1])
PLAIN = Build('plain', [], None, {'program', 'wrapped', 'examples', 'check'}, {}, [])
ASAN = Build('asan+ubsan', ['-Db_sanitize=address,undefined', '-Db_lundef=false',
                            '-Dc_args=-fno-sanitize-recover=all -fno-omit-frame-pointer'],
             'address,undefined', {'program', 'examples'},
             {'ASAN_OPTIONS': 'detect_leaks=1:detect_stack_use_after_return=1:handle_segv=2:'
                              'handle_sigbus=2:handle_sigfpe=2',
              'UBSAN_OPTIONS': 'print_stacktrace=1'}, [])
TSAN = Build('tsan', ['-Db_sanitize=thread', '-Db_lundef=false'], 'thread', {'races'},
             {'TSAN_OPTIONS': 'halt_on_error=1:second_deadlock_stack=1:'
                              f'suppressions={ROOT}/tests/tsan.supp'}, [])
VALGRIND = Build('valgrind', [], None, {'program'}, {},
                 ['valgrind', '-q', '--error-exitcode=99', '--leak-check=full',
                  '--errors-for-leak-kinds=definite', '--max-threads=4000'])


# Of what is run by something that emulates a processor.
SLOW = {'ROUSE_DIFFERENTIAL_OPERATIONS': '100000'}
PATIENCE = 5


class Failed(Exception):
    """A command that builds has failed; the text is what it printed."""


def logged(*command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, encoding='utf-8', errors='replace')
    if done.returncode != 0:
        raise Failed(re.sub(r'^\[\d+/\d+\] (Compiling|Linking|Generating) .*\n', '', done.stdout,
                            flags=re.M))
    return done.stdout


def lock():
    """Waits until no other run works in this tree, whose files it would pull from under it. The
    lock is held until the process ends."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    lock.file = open(FOLDER / 'lock', 'w', encoding='utf-8')
    try:
        fcntl.flock(lock.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print('tests/run: waiting for another one that runs in this tree', file=sys.stderr)
        fcntl.flock(lock.file, fcntl.LOCK_EX)


def refusal_of(build):
    """Why programs with the build's sanitizer cannot be made or run here; None if they can."""
    if build.sanitizer is None:
        return None
    compiler = os.environ.get('CC', 'cc').split()
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / 'empty.c'
        program = pathlib.Path(folder) / 'empty'
        source.write_text('int main(void) { return 0; }\n')
        try:
            logged(*compiler, f'-fsanitize={build.sanitizer}', str(source), '-o', str(program))
        except Failed:
            return f'{compiler[0]} cannot make programs with -fsanitize={build.sanitizer}'
        try:
            said = logged(str(program))
        except Failed as error:
            said = str(error) or 'they fail'
        if said:  # of a machine without /proc, for one
            return f'programs made with -fsanitize={build.sanitizer} do not run well here: ' \
                   f'{said.splitlines()[0]}'
    return None


def of_target(name):
    """The builds of a target. What they call by name is found, and writes only to build/."""
    folder = ROOT / 'tests' / 'targets'
    os.environ.update(
        PATH=os.pathsep.join([str(folder), str(TARGETS / 'zig'), os.environ['PATH']]),
        ZIG_GLOBAL_CACHE_DIR=str(TARGETS / 'zig-cache'),
        WINEPREFIX=str(TARGETS / name / 'wine'), WINEDEBUG='-all,err+virtual')
    if name.startswith('linux-'):
        return [PLAIN._replace(name=name, suites={'program'}, environment=SLOW,
                               kernel=TARGETS / name.replace('linux', 'kernel'),
                               jobs=min(JOBS, boot.PORTS), patience=PATIENCE)]
    return [cross_build(path) for path in
            sorted([*folder.glob(f'{name}.ini'), *folder.glob(f'{name}-*.ini')])]


def cross_build(path):
    ini = configparser.ConfigParser(inline_comment_prefixes=['#'], interpolation=None)
    ini.read(path)
    wrapper = ini.get('binaries', 'exe_wrapper', fallback=None)
    environment = {}
    if wrapper:
        wrapper = ast.literal_eval(wrapper)
        wrapper = [wrapper] if isinstance(wrapper, str) else wrapper
        environment = SLOW
    elif not ini.getboolean('properties', 'needs_exe_wrapper', fallback=False):
        wrapper = []
    libraries = TARGETS / path.stem / 'lib' / 'pkgconfig'
    return Build(path.stem, [f'--cross-file={path}', f'-Dpkg_config_path={libraries}'], None,
                 {'program', 'examples'}, environment, wrapper, cross=path,
                 patience=PATIENCE if wrapper else 1)


def make_cmocka(build):
    """Builds cmocka for a target, of the source that was fetched."""
    source = TARGETS / 'cmocka-source'
    prefix = TARGETS / build.name
    shutil.rmtree(prefix, ignore_errors=True)
    shutil.copyfile(ROOT / 'tests' / 'targets' / 'cmocka.build', source / 'meson.build')
    logged('meson', 'setup', str(prefix / 'build'), str(source), f'--cross-file={build.cross}',
           f'--prefix={prefix}', '--libdir=lib')
    logged('meson', 'install', '-C', str(prefix / 'build'))


def configure(build):
    folder = FOLDER / build.name
    # Where code is instrumented, compilers warn of values that cannot be.
    werror = str(build.sanitizer is None).lower()
    options = [f'-Dwerror={werror}', '-Dtests=enabled', '-Dbench=disabled', *build.options]
    stamp = json.dumps([str(ROOT), options, os.environ.get('CC'), os.environ.get('CFLAGS'),
                        build.cross and build.cross.read_text()])
    stamp_file = folder / 'made-for.json'
    if not stamp_file.exists() or stamp_file.read_text() != stamp:
        shutil.rmtree(folder, ignore_errors=True)
        if build.cross:
            make_cmocka(build)
        logged('meson', 'setup', str(folder), str(ROOT), *options)
        stamp_file.write_text(stamp)


def tests_of(build):
    """What meson knows of the tests in a build that is configured: a dictionary for each name."""
    tests = json.loads(logged('meson', 'introspect', '--tests', str(FOLDER / build.name)))
    return {test['name']: test for test in tests}


def make(build, names=None):
    """Configures and compiles: all, or what the tests of these names need."""
    folder = FOLDER / build.name
    configure(build)
    ninja = next(name for name in ('ninja', 'ninja-build', 'samu') if shutil.which(name))
    compile_in = [ninja, '-C', str(folder), '-j', str(JOBS)]
    targets = set()
    if names is not None:
        logged(*compile_in, 'build.ninja')  # configures again if a meson.build has changed
        tests = tests_of(build)
        paths = [os.path.relpath(folder / word, folder)
                 for name in names for word in tests[name]['cmd']]
        known = logged(ninja, '-C', str(folder), '-t', 'targets', 'all')
        targets = set(paths) & {line.split(': ')[0] for line in known.splitlines()}
    logged(*compile_in, *sorted(targets))


@contextlib.contextmanager
def serving(build):
    """In the block Wine runs, with all that it has running beside programs, if the build needs it.
    Of itself it comes with a program and goes with the last: one that begins just then fails, and
    the output of the first has no end before that of the last."""
    if build.wrapper != ['wine-steady']:
        yield
        return

    def quietly(*command):
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)

    quietly('wineserver', '-k')  # ends what was left running
    quietly('wineserver', '-p')
    try:
        quietly(*build.wrapper, 'wineboot')
        yield
    finally:
        quietly('wineserver', '-k')


@contextlib.contextmanager
def running(build):
    """In the block the programs of a build that is made can be run; yields it with what stands
    before them, in a guest that is booted for that if it has a kernel of its own."""
    if build.kernel is None:
        yield build
        return
    programs = {test['cmd'][0] for test in tests_of(build).values()
                if FOLDER / build.name in pathlib.Path(test['cmd'][0]).parents}
    kernel, = build.kernel.glob('vmlinuz-*')
    with boot.guest(kernel, TARGETS / build.name, sorted(programs), build.jobs) as wrapper:
        yield build._replace(wrapper=wrapper)
