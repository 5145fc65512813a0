"""One lesson of docs/lessons: its claims hold here, and its page shows what it prints.

Usage: check_lesson.py SOURCE_ROOT NAME PROGRAM. What was seen differs from one run to the next, so
of the part on the kernel it is the claims that are compared; what cannot be shown here may be
missing. The part in the model is the same to the byte.

SPDX-License-Identifier: MIT
"""

import functools
import pathlib
import re
import subprocess
import sys

import check

ROOT = pathlib.Path(sys.argv[1])
NAME, PROGRAM = sys.argv[2:4]
sys.path.insert(0, str(ROOT / 'docs' / 'lessons'))

import pages

LESSON = next(lesson for lesson in pages.lessons() if lesson.name == NAME)
PAGE = pages.page(LESSON).read_text(encoding='utf-8')


@functools.cache
def printed():
    return check.run(PROGRAM, '--yes')


def refused(*options):
    """What is said to options that are wrong; it must be one line."""
    done = subprocess.run([PROGRAM, *options], stdin=subprocess.DEVNULL, capture_output=True,
                          encoding='utf-8')
    assert done.returncode == 2 and done.stdout == '', (done.returncode, done.stdout)
    assert done.stderr.count('\n') == 1, done.stderr
    return done.stderr


@check.case
def its_claims_hold():
    last = printed().splitlines()[-1]
    counts = re.fullmatch(rf'{NAME}: (\d+) claims held, 0 did not(, \d+ could not be shown here)?',
                          last)
    assert counts, last
    assert int(counts.group(1)) >= 4, last
    assert 'DOES NOT HOLD' not in printed(), printed()


@check.case
def its_page_shows_what_it_prints():
    shown, here = pages.blocks(PAGE), pages.sections(printed())
    assert set(shown) == set(here) == {'kernel', 'model'}, (set(shown), set(here))
    assert shown['model'] == pages.block_of(here['model']), here['model']
    claimed, told = pages.claims(shown['kernel']), pages.claims(here['kernel'])
    if 'not shown here' in here['kernel']:
        claimed = [claim for claim in claimed if claim in told]
    assert claimed == told, (claimed, told)


@check.case
def its_page_names_its_source_and_corrects_what_is_told():
    assert re.search(r'^In the kernel: .*`\w[\w/]*\.[chS]`', PAGE, re.M), 'no source in the kernel'
    assert re.search(r'^## Commonly told wrong$', PAGE, re.M), 'nothing is corrected'
    assert PAGE.startswith(f'# {LESSON.number}. {NAME}: '), PAGE.split('\n')[0]


@check.case
def wrong_options_are_refused_in_one_line():
    assert '--nonesuch' in refused('--nonesuch')
    assert 'backend' in refused('--backend', 'nonesuch')


if 'backend' in LESSON.words:
    @check.case
    def its_claims_hold_on_another_backend():
        last = check.run(PROGRAM, '--yes', '--backend', 'poll').splitlines()[-1]
        assert ' claims held, 0 did not' in last, last


check.main()
