"""What .ci/setup.sh does on machines that lack something, and what tests/run says of its options.

Usage: check_setup.py SOURCE_ROOT. The machines are made of a PATH that holds nothing but a few
tools, a package manager that writes down what it is told, and an `id` that says who we are.

SPDX-License-Identifier: MIT
"""

import os
import pathlib
import pty
import re
import shutil
import subprocess
import sys
import tempfile

import check

ROOT = pathlib.Path(sys.argv[1])
SCRIPT = f'set -eu; root=$1 assume_yes=$2; shift 2; . {ROOT}/.ci/setup.sh; "$@"; echo all here'
INSTALLS = '#!/bin/sh\necho "$(basename "$0") $*" >>"$LOG"\n' \
           'for tool in gnuplot valgrind; do cp "$STUB" "$(dirname "$0")/$tool"; done\n'


class Machine:
    """A PATH of its own, with the package managers named."""

    def __init__(self, folder, *managers, user=1000):
        self.folder = pathlib.Path(folder)
        self.log = self.folder / 'log'
        self.path = self.folder / 'bin'
        self.path.mkdir()
        for name in ('sh', 'cat', 'cp', 'cut', 'basename', 'dirname', 'env', 'mkdir', 'tr'):
            (self.path / name).symlink_to(shutil.which(name))
        self.program('id', f'#!/bin/sh\necho {user}\n')
        self.program('sudo', '#!/bin/sh\necho "sudo" >>"$LOG"\nexec "$@"\n')
        for name in managers:
            self.program(name, INSTALLS)
        self.stub = self.folder / 'stub'
        self.stub.write_text('#!/bin/sh\n')
        self.stub.chmod(0o755)

    def program(self, name, text):
        (self.path / name).write_text(text)
        (self.path / name).chmod(0o755)

    def need(self, *tools, yes='', answer=None, verb='need', **environment):
        """Exit status, what was printed, and what the package manager was told."""
        stdin = subprocess.DEVNULL
        if answer is not None:
            try:
                keyboard, stdin = pty.openpty()
            except OSError as error:
                raise check.Skip(f'no terminal can be made here: {error}') from error
            os.write(keyboard, answer)
        return self.run(shutil.which('sh'), '-c', SCRIPT, 'sh', str(self.folder), yes, verb, *tools,
                        stdin=stdin, stderr=subprocess.STDOUT if answer is None else stdin,
                        **environment)

    def run(self, *command, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, **environment):
        """The same of a command that is run on this machine."""
        variables = {'PATH': str(self.path), 'LOG': str(self.log), 'STUB': str(self.stub),
                     **environment}
        done = subprocess.run(command, env=variables, stdin=stdin, stdout=subprocess.PIPE,
                              stderr=stderr, encoding='utf-8')
        told = self.log.read_text().splitlines() if self.log.exists() else []
        return done.returncode, done.stdout, told


def on_a_machine(function):
    """A case that is given a folder for its machine."""
    def attempt():
        with tempfile.TemporaryDirectory() as folder:
            function(folder)
    return check.case(attempt, function.__name__)


@on_a_machine
def with_all_present_no_package_manager_is_touched(folder):
    machine = Machine(folder, 'apt-get', user=0)
    machine.program('gnuplot', '#!/bin/sh\n')
    assert machine.need('gnuplot', yes='yes', CI='1') == (0, 'all here\n', [])


@on_a_machine
def without_leave_it_prints_the_command_and_ends_with_2(folder):
    status, text, told = Machine(folder, 'apt-get').need('gnuplot', 'valgrind')
    assert status == 2 and told == [], (status, told)
    assert 'sudo apt-get update && sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y ' \
           '--no-install-recommends gnuplot-nox valgrind\n' in text, text


@on_a_machine
def root_installs_without_being_asked(folder):
    status, text, told = Machine(folder, 'apt-get', user=0).need('gnuplot')
    assert status == 0 and text.endswith('all here\n'), text
    assert told == ['apt-get update',
                    'apt-get install -y --no-install-recommends gnuplot-nox'], told


@on_a_machine
def leave_on_the_command_line_installs_with_sudo(folder):
    status, text, told = Machine(folder, 'dnf').need('gnuplot', yes='yes')
    assert status == 0 and told[0] == 'sudo' and told[1].startswith('dnf install -y'), (text, told)


@on_a_machine
def leave_in_the_environment_installs(folder):
    status, text, told = Machine(folder, 'apk').need('gnuplot', CI='true')
    assert status == 0 and told == ['sudo', 'apk add gnuplot'], (text, told)


@on_a_machine
def a_yes_on_a_terminal_installs(folder):
    status, text, told = Machine(folder, 'pacman').need('gnuplot', answer=b'y\n')
    assert status == 0, text
    assert told == ['sudo', 'pacman -Sy --needed --noconfirm gnuplot'], told


@on_a_machine
def a_no_on_a_terminal_installs_nothing(folder):
    status, _, told = Machine(folder, 'pkg').need('gnuplot', answer=b'n\n')
    assert status == 2 and told == [], (status, told)


@on_a_machine
def brew_is_run_without_sudo(folder):
    status, text, told = Machine(folder, 'brew').need('gnuplot', yes='yes')
    assert status == 0 and told == ['brew install gnuplot'], (text, told)


@on_a_machine
def without_a_package_manager_it_says_what_is_missing(folder):
    status, text, _ = Machine(folder).need('gnuplot', 'valgrind', yes='yes')
    assert status == 2 and 'gnuplot valgrind' in text and 'by hand' in text, text


@on_a_machine
def a_failed_installation_ends_with_2(folder):
    machine = Machine(folder, user=0)
    machine.program('dnf', '#!/bin/sh\nexit 1\n')
    status, text, _ = machine.need('gnuplot')
    assert status == 2 and 'failed' in text, text


@on_a_machine
def what_is_still_missing_after_the_installation_ends_with_2(folder):
    machine = Machine(folder, user=0)
    machine.program('dnf', '#!/bin/sh\nexit 0\n')
    status, text, _ = machine.need('gnuplot')
    assert status == 2 and 'still missing' in text, text


@on_a_machine
def what_is_only_wanted_is_installed_with_leave(folder):
    status, text, told = Machine(folder, 'apt-get', user=0).need('gnuplot', verb='want')
    assert status == 0 and told[-1].endswith(' gnuplot-nox'), (text, told)
    assert 'without' not in text, text


@on_a_machine
def what_is_only_wanted_is_gone_on_without(folder):
    """Without leave, for which nobody is asked, and where the installation fails."""
    machine = Machine(folder, 'apt-get')
    assert machine.need('gnuplot', verb='want', answer=b'y\n')[::2] == (0, [])
    status, text, told = machine.need('gnuplot', 'liburing', verb='want')
    assert status == 0 and told == [], (text, told)
    assert 'gnuplot-nox liburing-dev' in text and 'without: gnuplot liburing' in text, text
    machine.program('apt-get', '#!/bin/sh\nexit 1\n')
    status, text, _ = machine.need('gnuplot', verb='want', yes='yes')
    assert status == 0 and 'failed' in text and text.endswith('all here\n'), text


@on_a_machine
def what_the_package_manager_does_not_know_is_not_wanted(folder):
    assert Machine(folder, 'brew').need('liburing', verb='want', yes='yes') == \
        (0, 'all here\n', [])


@on_a_machine
def a_meson_that_is_too_old_is_missing(folder):
    machine = Machine(folder)
    machine.program('meson', '#!/bin/sh\necho 0.63.2\n')
    assert machine.need('meson')[0] == 2
    machine.program('meson', '#!/bin/sh\necho 1.0.1\n')
    assert machine.need('meson')[0] == 0


@on_a_machine
def a_python_that_has_scipy_is_found_wherever_it_is(folder):
    machine = Machine(folder)
    machine.program('python3', '#!/bin/sh\nexit 1\n')
    elsewhere = machine.need(verb='setup_python')[1].splitlines()[0]
    assert elsewhere in ('/usr/bin/python3', '/usr/local/bin/python3', 'all here'), elsewhere
    machine.program('python3', '#!/bin/sh\n')
    assert machine.need('scipy') == (0, 'all here\n', [])
    assert machine.need(verb='setup_python')[1] == 'python3\nall here\n'


def fetches_of(machine):
    """Gives the machine a python3 that fetches: it writes down what it is told, and makes the
    folder of what is named last."""
    machine.program('python3', '#!/bin/sh\necho "python3 $*" >>"$LOG"\n'
                               f'for name in "$@"; do :; done; mkdir -p '
                               f'{machine.folder}/build/targets/"$name"\n')


@on_a_machine
def what_no_package_manager_has_is_fetched(folder):
    fetch = f"python3 -B '{folder}/tests/targets/fetch.py' cmocka-source"
    machine = Machine(folder, 'apt-get')
    status, text, told = machine.need('gnuplot', 'cmocka-source')
    assert status == 2 and told == [], (status, told)
    assert f'gnuplot-nox && {fetch}\n' in text, text
    fetches_of(machine)
    status, text, told = machine.need('gnuplot', 'cmocka-source', CI='1')
    assert status == 0 and told[-1] == fetch.replace("'", ''), (text, told)


@on_a_machine
def fetching_alone_needs_no_package(folder):
    machine = Machine(folder, 'apt-get')
    fetches_of(machine)
    status, text, told = machine.need('cmocka-source', yes='yes')
    assert status == 0 and len(told) == 1, (text, told)
    assert machine.need('cmocka-source', yes='yes')[2] == told, 'fetched twice'


@on_a_machine
def what_is_fetched_by_npm_needs_npm(folder):
    machine = Machine(folder, 'dnf')
    text = machine.need('zig')[1]
    assert 'dnf install -y --setopt=install_weak_deps=False npm && python3 ' in text, text


@on_a_machine
def what_is_not_known_of_a_package_manager_ends_with_2(folder):
    status, text, told = Machine(folder, 'dnf', user=0).need('gnuplot', 's390x-linux-gnu-gcc')
    assert status == 2 and told == [], (text, told)
    assert 'not known how to install with dnf: s390x-linux-gnu-gcc\n' in text, text


@on_a_machine
def another_processor_cannot_be_installed(folder):
    machine = Machine(folder, 'apt-get', user=0)
    machine.program('uname', '#!/bin/sh\necho riscv64\n')
    status, text, told = machine.need('x86_64')
    assert status == 2 and told == [] and 'apt-get: x86_64' in text, text
    machine.program('uname', '#!/bin/sh\necho x86_64\n')
    assert machine.need('x86_64')[0] == 0


@on_a_machine
def a_target_lacks_its_tools_and_says_how_to_install_them(folder):
    machine = Machine(folder, 'apt-get')
    status, text, told = machine.run(ROOT / 'tests' / 'run', '--target', 's390x')
    assert status == 2 and told == [], (status, told)
    for package in ('python3', 'meson', 'gcc-s390x-linux-gnu', 'libc6-dev-s390x-cross',
                    'qemu-user'):
        assert package in text.split(), text
    assert 'sudo apt-get update && ' in text and 'give --yes' in text, text


@on_a_machine
def targets_are_listed_with_what_is_missing(folder):
    status, text, told = Machine(folder, 'apt-get', user=0).run(
        ROOT / 'tests' / 'run', '--target', 'list')
    assert status == 0 and told == [], (text, told)
    for line in text.splitlines():
        assert ': missing here: python3 meson ninja pkg-config ' in line, line


@check.case
def targets_that_are_listed_have_cross_files_or_kernels():
    text = check.run(ROOT / 'tests' / 'run', '--target', 'list')
    listed = {line.split()[0] for line in text.splitlines()}
    folder = ROOT / 'tests' / 'targets'
    crossed = {path.stem if path.stem in listed else path.stem.split('-')[0]
               for path in folder.glob('*.ini')}
    booted = {f'linux-{version}' for version in
              re.findall(r"'kernel-([\d.]+)'", (folder / 'fetch.py').read_text())}
    assert listed == crossed | booted, (listed, crossed, booted)


@check.case
def an_unknown_target_ends_with_2_and_the_names_that_there_are():
    text = check.run(ROOT / 'tests' / 'run', '--target', 'nonesuch', status=2)
    assert "unknown target 'nonesuch'" in text and 'musl i386 aarch64 s390x' in text, text


def ci(target_status=0, compare_status=0, gate_status=0):
    """Status and output of .ci/run in a tree in which the tests pass and the targets end so."""
    with tempfile.TemporaryDirectory() as folder:
        tree = pathlib.Path(folder)
        for name, text in (('tests/run', '*--target*) echo "10 passed, 2 failed, 1 skipped";'
                                         f' exit {target_status} ;;\n'
                                         '*) echo "400 passed, 0 failed, 20 skipped"'),
                           ('bench/gate', f'*) exit {gate_status}'),
                           ('bench/compare', f'*) exit {compare_status}')):
            (tree / name).parent.mkdir(exist_ok=True)
            (tree / name).write_text(f'#!/bin/sh\necho "$*"\ncase $* in\n{text} ;;\nesac\n')
            (tree / name).chmod(0o755)
        (tree / '.ci').mkdir()
        shutil.copy(ROOT / '.ci' / 'run', tree / '.ci' / 'run')
        done = subprocess.run([tree / '.ci' / 'run'], stdin=subprocess.DEVNULL, encoding='utf-8',
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout


@check.case
def what_checks_a_change_adds_up_all_targets():
    status, text = ci()
    assert status == 0 and text.endswith('\n430 passed, 6 failed, 23 skipped\n'), text
    for target in ('musl', 's390x', 'windows'):
        assert f'\n--yes --target {target} --filter contract_\n' in text, text


@check.case
def what_checks_a_change_ends_with_the_worst_of_all():
    for *statuses, worst in ((1, 0, 0, 1), (2, 0, 0, 2), (2, 1, 0, 1), (0, 1, 0, 1), (0, 0, 1, 1)):
        status, text = ci(*statuses)
        assert status == worst, (status, text)
        assert text.endswith('\n430 passed, 6 failed, 23 skipped\n'), text


@check.case
def wrong_options_end_with_2_and_say_so():
    for words in (['--nonesuch'], ['--filter'], ['--backend', ''], ['word'], ['--target'],
                  ['--target', 'musl', '--valgrind']):
        text = check.run(ROOT / 'tests' / 'run', *words, status=2)
        assert text.startswith('tests/run: '), text
    assert '--valgrind' in check.run(ROOT / 'tests' / 'run', '--help')


check.main()
