"""The runner itself: run.py, met by programs that fail in every way that it must notice.

Usage: check_run.py. The programs are written in Python, with check.py; what they do is in ACTIONS.

SPDX-License-Identifier: MIT
"""

import contextlib
import io
import pathlib
import sys
import tempfile

import builds
import check
import run

ACTIONS = {
    'passes': 'pass',
    'fails': 'raise AssertionError("because")',
    'skips': 'raise check.Skip("the reason")',
    'crashes': 'os.kill(os.getpid(), signal.SIGSEGV)',
    'exits': 'os._exit(0)',
    'hangs': 'time.sleep(1000000)',
    'lingers': 'import atexit; atexit.register(os._exit, 3)',
    'says_what_passed': 'print("[       OK ] passes"); raise AssertionError()',
}


def outcome(*runs, timeout=1000):
    """The state of each case after programs were run. A run is a name of a build and actions, whose
    cases are named c0, c1 ...; the results, the last line and the exit status are returned."""
    run.results = run.Results()
    text = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(text):
        builds.FOLDER = pathlib.Path(folder)
        for build_name, *actions in runs:
            lines = ['import os, signal, sys, time', f'sys.path.insert(0, {sys.path[0]!r})',
                     'import check']
            for number, action in enumerate(actions):
                lines += ['@check.case', f'def c{number}(): {ACTIONS[action]}']
            script = pathlib.Path(folder) / 'program.py'
            script.write_text('\n'.join(lines + ['check.main()']))
            (pathlib.Path(folder) / build_name).mkdir(exist_ok=True)
            program = run.Program('p', '', [sys.executable, '-B', str(script)], {}, timeout,
                                  set(), [f'c{number}' for number in range(len(actions))])
            run.run(program, builds.PLAIN._replace(name=build_name))
        status = run.results.finish()
    states = {name.split('/')[1]: state for name, state in run.results.state.items()}
    return states, text.getvalue().splitlines()[-1], status, text.getvalue()


@check.case
def it_counts_what_passes_fails_and_skips():
    states, last, status, text = outcome(('plain', 'passes', 'fails', 'skips', 'passes'))
    assert states == {'c0': 'passed', 'c1': 'failed', 'c2': 'skipped', 'c3': 'passed'}, states
    assert last == '2 passed, 1 failed, 1 skipped' and status == 1
    assert 'skipped p/c2: the reason' in text and 'because' in text


@check.case
def what_all_passes_ends_with_0():
    assert outcome(('plain', 'passes', 'skips'))[1:3] == ('1 passed, 0 failed, 1 skipped', 0)


@check.case
def nothing_run_is_no_success():
    assert outcome()[1:3] == ('0 passed, 0 failed, 0 skipped', 1)
    assert outcome(('plain', 'skips'))[1:3] == ('0 passed, 0 failed, 1 skipped', 1)


@check.case
def a_crash_fails_its_case_and_the_others_still_run():
    states, _, _, text = outcome(('plain', 'passes', 'crashes', 'passes', 'exits', 'passes'))
    assert list(states.values()).count('failed') == 2, states
    assert states['c1'] == states['c3'] == 'failed' and states['c4'] == 'passed', states
    assert 'SIGSEGV' in text


@check.case
def a_hang_is_ended_and_fails():
    states, _, status, text = outcome(('plain', 'hangs'), timeout=1)
    assert states == {'c0': 'failed'} and status == 1 and 'hangs' in text, text


@check.case
def a_program_that_fails_after_its_cases_fails():
    states, _, status, _ = outcome(('plain', 'passes', 'lingers'))
    assert states == {'c0': 'passed', 'c1': 'passed', 'end': 'failed'} and status == 1, states


@check.case
def a_case_counts_once_and_the_worst_build_counts():
    states, last, _, _ = outcome(('plain', 'passes', 'passes', 'fails', 'skips'),
                                 ('asan+ubsan', 'passes', 'fails', 'passes', 'passes'))
    assert states == {'c0': 'passed', 'c1': 'failed', 'c2': 'failed', 'c3': 'passed'}, states
    assert last == '2 passed, 2 failed, 0 skipped', last


@check.case
def what_a_case_prints_of_others_is_not_believed():
    assert outcome(('plain', 'passes', 'says_what_passed'))[0]['c1'] == 'failed'


@check.case
def a_program_that_lists_no_cases_has_failed_and_it_is_said_how():
    run.results, text = run.Results(), io.StringIO()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(text):
        builds.FOLDER = pathlib.Path(folder)
        (builds.FOLDER / 'plain').mkdir()
        program = run.Program('p', 'poll', ['sh', '-c', 'echo why >&2; exit 3'], {}, 1, set(), [])
        assert run.list_cases(program, builds.PLAIN) == []
        assert run.results.finish() == 1
    assert 'failed poll p/list' in text.getvalue(), text.getvalue()
    assert 'why\n' in text.getvalue() and 'ended with status 3' in text.getvalue(), text.getvalue()


@check.case
def cases_of_the_contract_are_counted_for_each_backend():
    results, text = run.Results(), io.StringIO()
    for name, state in (('epoll contract_poll/a', 'passed'), ('epoll contract_wait/b', 'skipped'),
                        ('poll contract_poll/a', 'passed'), ('poll timers/c', 'passed'),
                        ('abi/contract_poll', 'passed')):
        results.add(name, state, 'the reason', builds.PLAIN)
    with contextlib.redirect_stdout(text):
        assert results.finish('musl') == 0
    assert text.getvalue().splitlines()[-3:] == [
        'contract on musl, epoll: 1 passed, 0 failed, 1 skipped',
        'contract on musl, poll: 1 passed, 0 failed, 0 skipped',
        '4 passed, 0 failed, 1 skipped'], text.getvalue()


@check.case
def cross_files_say_what_runs_the_programs_of_a_target():
    wrappers = {build.name: build.wrapper for name in ('s390x', 'windows', 'musl', 'macos')
                for build in builds.of_target(name)}
    assert wrappers == {'s390x': ['qemu-s390x', '-L', '/usr/s390x-linux-gnu'],
                        'windows': ['wine-steady'], 'musl': [], 'macos-aarch64': None,
                        'macos-x86_64': None}, wrappers


@check.case
def programs_of_a_target_are_run_by_what_can_and_scripts_here():
    target, = builds.of_target('s390x')
    program = run.Program('p', '', ['p'], {}, 1, {'program'}, [])
    script = program._replace(suites={'examples'})
    assert run.command_of(program, target) == [*target.wrapper, 'p']
    assert run.command_of(script, target) == ['p']
    wrapper = run.environment_of(script, target)['MESON_EXE_WRAPPER']
    assert wrapper == 'qemu-s390x -L /usr/s390x-linux-gnu', wrapper


@check.case
def what_is_only_linked_has_one_case_for_each_program():
    target = builds.of_target('macos')[0]
    test = {'cmd': ['p'], 'timeout': 1, 'suite': ['rouse:program', 'rouse:poll']}
    tests = [dict(test, name='p poll', env={'ROUSE_BACKEND': 'poll'}),
             dict(test, name='p kqueue', env={'ROUSE_BACKEND': 'kqueue'}),
             dict(test, name='q', env={}),
             dict(test, name='style', env={}, suite=['rouse:check'])]
    tests_of, builds.tests_of = builds.tests_of, lambda _: {test['name']: test for test in tests}
    try:
        programs = run.programs_of(target, lambda *_: True)
    finally:
        builds.tests_of = tests_of
    names = [run.display(program, case) for program in programs for case in program.cases]
    assert names == ['p/links', 'q/links'], names


check.main()
