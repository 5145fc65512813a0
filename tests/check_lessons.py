"""The lessons together: the index, and the command that lists and runs them.

Usage: check_lessons.py SOURCE_ROOT. Nothing is built here; check_lesson.py runs each.

SPDX-License-Identifier: MIT
"""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest.mock

import check

ROOT = pathlib.Path(sys.argv[1])
FOLDER = ROOT / 'docs' / 'lessons'
sys.path.insert(0, str(FOLDER))

import pages
import run as command


def refused(*options):
    """What the command says to options that are wrong; it must be one line."""
    done = subprocess.run([FOLDER / 'run', *options], stdin=subprocess.DEVNULL,
                          capture_output=True, encoding='utf-8')
    assert done.returncode == 2 and done.stdout == '', (done.returncode, done.stdout)
    said = [line for line in done.stderr.splitlines() if line.startswith('docs/lessons/run: ')]
    assert len(said) == 1 and 'Traceback' not in done.stderr, done.stderr
    return said[0]


@check.case
def the_index_is_of_the_table():
    blocks = pages.blocks((FOLDER / 'README.md').read_text(encoding='utf-8'))
    assert blocks == {'index': pages.index()}, blocks


def with_backend():
    """The names of those that take --backend."""
    return [lesson.name for lesson in pages.lessons() if 'backend' in lesson.words]


@check.case
def without_a_name_they_are_listed():
    *lines, empty, more = check.run(FOLDER / 'run').splitlines()
    assert len(lines) == len(pages.lessons()) and empty == '', lines
    for line, lesson in zip(lines, pages.lessons()):
        assert line.split()[:2] == [f'{lesson.number}.', lesson.name], line
        assert line.endswith(lesson.shows), line
    assert more.startswith(f'--backend B is for {", ".join(with_backend())}; '), more


@contextlib.contextmanager
def bare_machine():
    """In the block there is a machine that has Python, and nothing to build with, as its PATH."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ('sh', 'cat', 'dirname', 'id', 'paste', 'sed'):
            (pathlib.Path(folder) / name).symlink_to(shutil.which(name))
        python = pathlib.Path(folder) / 'python3'
        python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        python.chmod(0o755)
        with unittest.mock.patch.dict(os.environ, PATH=folder):
            yield


@check.case
def to_list_them_and_to_refuse_options_needs_nothing_but_python():
    full = check.run(FOLDER / 'run')
    with bare_machine():
        assert check.run(FOLDER / 'run') == full
        assert 'asleep' in check.run(FOLDER / 'run', '--help')
        assert '--all' in refused('--nonesuch')
        assert 'asleep' in refused('nonesuch')
        assert 'missing on this machine: cc' in check.run(FOLDER / 'run', 'asleep', status=2)


@check.case
def what_cannot_be_listed_ends_it_as_usual():
    if not pathlib.Path('/dev/full').exists():
        raise check.Skip('there is no /dev/full here')
    with open('/dev/full', 'w') as full:
        done = subprocess.run([FOLDER / 'run'], stdout=full, stderr=subprocess.PIPE,
                              encoding='utf-8')
    assert done.returncode == 1 and done.stderr.count('\n') == 1, done
    reads, writes = os.pipe()
    os.close(reads)
    done = subprocess.run([FOLDER / 'run'], stdout=writes, stderr=subprocess.PIPE)
    os.close(writes)
    assert (done.returncode, done.stderr) == (141, b''), done


@check.case
def a_name_that_is_none_is_answered_with_all_that_are():
    said = refused('nonesuch')
    for lesson in pages.lessons():
        assert lesson.name in said, said


@check.case
def wrong_options_are_refused_in_one_line():
    assert '--all' in refused('--nonesuch')
    assert 'one lesson at a time' in refused('asleep', '--all')
    assert 'one lesson at a time' in refused('asleep', 'timers')
    assert '--backend wants a lesson' in refused('--backend', 'poll')
    assert '--write' in refused('--all', '--write', '--backend', 'poll')
    for option in (['--backend='], ['--backend', ''], ['--backend']):
        assert 'name of a backend' in refused('asleep', *option)


@check.case
def a_backend_is_refused_where_it_makes_no_difference():
    for lesson in pages.lessons():
        if lesson.name not in with_backend():
            assert lesson.name in refused(lesson.name, '--backend', 'poll')


@check.case
def help_tells_every_option():
    said = check.run(FOLDER / 'run', '--help')
    for option in ('NAME', '--all', '--backend', '--write', '--yes', '--help'):
        assert f'  {option} ' in said, said
    assert f'  {" ".join(with_backend())}\n' in said, said
    assert check.run(FOLDER / 'run', '-h') == said


@contextlib.contextmanager
def building_in(folder):
    """In the block the command builds there."""
    with unittest.mock.patch.object(command, 'BUILD', pathlib.Path(folder) / 'build' / 'lessons'):
        yield command.BUILD


@check.case
def where_nothing_can_be_built_it_says_what_to_do():
    with tempfile.TemporaryDirectory() as folder, building_in(folder) as build:
        build.parent.touch()
        for place, advice in ((folder, 'is not a directory: move it'),
                              ('/dev/null', 'copy the tree')):
            try:
                with building_in(place), command.locked():
                    assert False, place
            except command.Failure as failure:
                assert failure.status == 2 and advice in str(failure), failure


@check.case
def what_was_built_for_another_tree_is_forgotten():
    with tempfile.TemporaryDirectory() as folder, building_in(folder) as build:
        for root, left in (('one', False), ('one', True), ('two', False), ('two', True)):
            with unittest.mock.patch.object(command, 'ROOT', root), command.locked():
                assert (build / 'docs' / 'asleep').exists() == left, root
                (build / 'docs').mkdir(exist_ok=True)
                (build / 'docs' / 'asleep').touch()


check.main()
