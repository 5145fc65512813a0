"""The page of backends, of systems that are not Linux: that docs/backends.md names each situation
in which a watcher is told something else there, and what the backends cost that only they have.

Usage: check_elsewhere.py SOURCE_ROOT SYSTEM MATRIX BACKEND... [--write]. SYSTEM is what the table
of the page is called, `<!-- generated: elsewhere SYSTEM -->`; MATRIX is the program of
tests/matrix.c as built for it. With --write the table is made anew, and nothing is checked.

SPDX-License-Identifier: MIT
"""

import functools
import pathlib
import sys

import backends_measured
import check
from backends_page import (WANTS, blocks, changed, costs_of, heading, is_alike, limits_of, made,
                           table, write)

WRITE = '--write' in sys.argv
ROOT, SYSTEM, MATRIX, *BACKENDS = [word for word in sys.argv[1:] if word != '--write']
PAGE = pathlib.Path(ROOT) / 'docs' / 'backends.md'


@functools.cache
def measured():
    """Of those whose reports are no guesses."""
    found = backends_measured.measure([*check.WRAPPER, MATRIX], BACKENDS)
    return {name: one for name, one in found.items() if not one.has('GUESS')}


@functools.cache
def on_linux():
    """The rows of the page's tables, by situation."""
    return {row[0].replace(' ', '_'): dict(zip(heading(text), row))
            for words, text in blocks(PAGE) if words[0] == 'matrix' for row in table(text)}


def differs(situation, want, right, reported):
    """What each backend tells there who wants one direction; None if that is what Linux tells."""
    letter = WANTS[want]
    told = {name: one.tells.get((situation, 'level', letter)) for name, one in measured().items()}
    alike = [it is None or is_alike(measured()[name], it, reported, right.upper(), letter)
             for name, it in told.items()]
    return None if all(alike) else [it or 'not there' for it in told.values()]


def elsewhere():
    rows = []
    for situation, row in on_linux().items():
        for want in WANTS:
            told = differs(situation, want, row[want], row['epoll'])
            if told is not None:
                rows.append([situation.replace('_', ' '), want, row[want], *told])
    return made(['situation', 'who wants', 'on Linux', *measured()], rows)


def anew(words, text):
    """A table of this system: what differs, and what its own backends cost and allow."""
    if words == ['elsewhere', SYSTEM]:
        return elsewhere()
    one = measured().get(words[-1])
    if one is None or words[-1] in next(iter(on_linux().values())):
        return text
    return costs_of(one) if words[0] == 'costs' else limits_of(words[-1], one)


@check.case
def tables_of_this_system_are_what_was_measured():
    found = blocks(PAGE)
    assert any(words == ['elsewhere', SYSTEM] for words, _ in found), f'no table of {SYSTEM}'
    wrong = [line for words, text in found for line in changed(words, text, anew(words, text))]
    assert not wrong, '\n' + '\n'.join(wrong)


if WRITE:
    write(PAGE, anew)
else:
    check.main()
