"""The lessons together: the index, and the command that lists and runs them.

Usage: check_lessons.py SOURCE_ROOT. Nothing is built here; check_lesson.py runs each.

SPDX-License-Identifier: MIT
"""

import pathlib
import subprocess
import sys

import check

ROOT = pathlib.Path(sys.argv[1])
FOLDER = ROOT / 'docs' / 'lessons'
sys.path.insert(0, str(FOLDER))

import pages


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


@check.case
def without_a_name_they_are_listed():
    lines = check.run(FOLDER / 'run').splitlines()
    assert len(lines) == len(pages.lessons()), lines
    for line, lesson in zip(lines, pages.lessons()):
        assert line.split()[:2] == [f'{lesson.number}.', lesson.name], line
        assert line.endswith(lesson.shows), line


@check.case
def a_name_that_is_none_is_answered_with_all_that_are():
    said = refused('nonesuch')
    for lesson in pages.lessons():
        assert lesson.name in said, said


@check.case
def wrong_options_are_refused_in_one_line():
    assert '--all' in refused('--nonesuch')
    assert 'asleep' in refused('asleep', '--all')
    assert '--backend' in refused('--backend', 'poll')
    assert '--backend' in refused('--all', '--write', '--backend', 'poll')


@check.case
def a_backend_is_refused_where_it_makes_no_difference():
    for lesson in pages.lessons():
        if 'backend' not in lesson.words:
            assert lesson.name in refused(lesson.name, '--backend', 'poll')


@check.case
def help_tells_every_option():
    said = check.run(FOLDER / 'run', '--help')
    for option in ('NAME', '--all', '--backend', '--write', '--yes', '--help'):
        assert f'  {option} ' in said, said


check.main()
