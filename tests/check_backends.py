"""The page of backends: that the tables of docs/backends.md are what was measured just now, and
that backends differ in what they tell a watcher only where the page says so.

Usage: check_backends.py SOURCE_ROOT MATRIX BACKEND... [--write]. MATRIX is the program of
tests/matrix.c, which is run on each backend. With --write the tables are made anew, and nothing is
checked; `meson compile -C BUILD backends-page` does that. What could not be measured here (a
backend that cannot be opened, a situation that this system does not have, another system: see
check_elsewhere.py) stays as it is. On another kernel or processor than those that the page names
its tables may be wrong without anybody's fault: what differs is then only told. What backends
differ in is checked everywhere.

SPDX-License-Identifier: MIT
"""

import functools
import pathlib
import platform
import re
import sys

import backends_measured
import check
from backends_measured import BITS
from backends_page import (COUNTED, KINDS, WANTS, blocks, by_watchers, changed, costs_of, heading,
                           is_alike, limits_of, made, table, write)

WRITE = '--write' in sys.argv
ROOT, MATRIX, *BACKENDS = [word for word in sys.argv[1:] if word != '--write']
PAGE = pathlib.Path(ROOT) / 'docs' / 'backends.md'

@functools.cache
def rungs():
    """The backends of which the page has a section, in the order of the build. One that has none
    yet is in no table, but must not differ from the others either."""
    build = (pathlib.Path(ROOT) / 'meson.build').read_text()
    names = re.findall(r"^  \['(\w+)'", build[build.index('rungs = ['):].split('\n]')[0], re.M)
    text = PAGE.read_text()
    return [name for name in names if f'\n### {name}\n' in text]


@functools.cache
def measured():
    return backends_measured.measure([MATRIX], BACKENDS)


@functools.cache
def situations():
    return backends_measured.situations([MATRIX], BACKENDS[0])


# ---- Differences ---------------------------------------------------------------------------


def reference():
    """The backend that the others are compared with: the first that knows all there is to tell."""
    return next((one for one in measured().values()
                 if one.has('HANGUP') and not one.has('LESSON')), None)


@functools.cache
def differences():
    """{(situation, backend): text} of what no trait explains."""
    found, other = {}, reference()
    for name, one in measured().items():
        for (situation, mode, want), told in one.tells.items():
            right = other.tells.get((situation, mode, want)) if other else None
            if right is not None and not is_alike(one, told, other.reports[situation], right,
                                                  want):
                found[situation, name] = f'{situation}: on {name} who wants {want} ({mode}) is ' \
                                         f'told {told}, not {right}'
    return found


def listed():
    """Of the page's list: {(situation, backend)}, and {trait: backends} for "without the trait
    HANGUP" and the like."""
    rows = table(re.search(r'^## Differences that remain$(.*?)^## ', PAGE.read_text(),
                           re.S | re.M).group(1))
    single, general = set(), {}
    for where, backends, *_ in rows:
        names = re.findall(r'`(\w+)`', backends)
        assert names, f'no backend is named: {where}'
        trait = re.search(r'with(?:out)? the trait [A-Z]+', where)
        if trait:
            general[trait.group()] = names
        else:
            single |= {(where.replace(' ', '_'), name) for name in names}
    return single, general


def has_trait(one, words):
    return one.has(words.split()[-1]) != words.startswith('without')


# ---- The page ------------------------------------------------------------------------------


def here():
    return f'Linux {".".join(platform.release().split(".")[:2])}, {platform.machine()}'


def told_cell(old, situation, want):
    """What a watcher is told. Letters in lower case are not told by backends that do not know of
    HANGUP and ERROR; if there is none here, what the page says of them stays."""
    other = reference()
    told = other.tells.get((situation, 'level', want)) if other else None
    if told is None:
        return old
    if not BITS.fullmatch(told):
        return told
    lesser = [one.tells[situation, 'level', want] for one in measured().values()
              if not one.has('HANGUP') and not one.has('GUESS')]
    if not lesser:
        return old if old.upper() == told else re.sub('[EH]+', lambda it: it.group().lower(), told)
    return ''.join(letter if all(letter in one for one in lesser) else letter.lower()
                   for letter in told)


def matrix(old, *words):
    """The situations whose names begin with one of the words."""
    fixed = ['situation', *WANTS]
    backends = [name for name in rungs() if name in measured() or name in heading(old)]
    before = {row[0]: dict(zip(heading(old), row)) for row in table(old)}
    rows = []
    for situation in [name for word in words for name in situations() if name.startswith(word)]:
        title = situation.replace('_', ' ')
        page = before.get(title, {})
        told = [told_cell(page.get(name, '?'), situation, want) for name, want in WANTS.items()]
        said = [measured()[name].reports.get(situation) if name in measured() else None
                for name in backends]
        rows.append([title, *told, *(new or page.get(name, '?')
                                     for name, new in zip(backends, said))])
    return made(fixed + backends, rows)


def costs(old, backend):
    one = measured().get(backend)
    return costs_of(one) if one and one.costs else old


def side_by_side(old, what):
    """One cost of all backends."""
    rows = {}
    for row in table(old):
        rows.setdefault(row[0], []).append(row)
    for name, one in measured().items():
        if one.costs:
            rows[name] = [[name, *row] for row in by_watchers(one, what)]
    return made(['backend', 'watchers', *COUNTED],
                [row for name in rungs() for row in rows.get(name, [])])


def limits(old, backend):
    one = measured().get(backend)
    return limits_of(backend, one) if one else old


MAKERS = {'matrix': matrix, 'costs': costs, 'limits': limits, 'side-by-side': side_by_side,
          'measured-on': lambda old: f'Measured on {here()}.\n'}


def anew(words, text):
    maker, *arguments = words
    return MAKERS[maker](text, *arguments) if maker in MAKERS else text



# ---- Cases ---------------------------------------------------------------------------------


def complain(wrong):
    assert not wrong, '\n' + '\n'.join(wrong)


@check.case
def tables_are_what_was_measured():
    found = blocks(PAGE)
    assert found
    page = next(text for words, text in found if words == ['measured-on'])
    wrong = [line for words, text in found if words != ['measured-on']
             for line in changed(words, text, anew(words, text))]
    if wrong and here() not in page:
        raise check.Skip(f'{page.strip()} Here is {here()}, where {len(wrong)} lines differ, '
                         f'the first in {wrong[0]}')
    complain(wrong + ['`meson compile -C BUILD backends-page` makes the tables anew'] * bool(wrong))


@check.case
def backends_differ_only_as_listed():
    single, general = listed()
    wrong = [text for key, text in differences().items() if key not in single]
    for words in ('without the trait HANGUP', 'with the trait GUESS', 'with the trait LATE'):
        wrong += [f'{name} is {words}, and the list does not say so'
                  for name, one in measured().items()
                  if has_trait(one, words) and name not in general.get(words, [])
                  and not (words.endswith('HANGUP') and one.has('GUESS'))]
    complain(wrong)


@check.case
def differences_that_are_listed_are_there():
    single, general = listed()
    wrong = [f'{situation}: {name} tells what the others tell, and the list says otherwise'
             for situation, name in single if name in measured() and reference()
             and any(key[0] == situation for key in measured()[name].tells)
             and (situation, name) not in differences()]
    wrong += [f'{situation}: there is no such situation' for situation, _ in single
              if situation not in situations()]
    wrong += [f'{name} is not {words}' for words, names in general.items() for name in names
              if name in measured() and not has_trait(measured()[name], words)]
    complain(wrong)


@check.case
def level_edge_and_one_shot_watchers_are_first_told_the_same():
    wrong = [f'{name}: {situation}: {mode} watchers that want {want} are told {told}, not '
             f'{one.tells[situation, "level", want]}'
             for name, one in measured().items()
             for (situation, mode, want), told in one.tells.items()
             if told != one.tells[situation, 'level', want]]
    complain(wrong)


@check.case
def who_wants_nothing_is_told_nothing():
    complain([f'{name}: {situation}: {told}' for name, one in measured().items()
              for (situation, _, want), told in one.tells.items()
              if want == '-' and BITS.fullmatch(told)])


@check.case
def every_situation_is_in_one_table():
    tables = [tuple(words[1:]) for words, _ in blocks(PAGE) if words[0] == 'matrix']
    complain([f'{name} is in {count} tables' for name in situations()
              if (count := sum(name.startswith(words) for words in tables)) != 1])
    complain([f'{name} is of no kind' for name in situations()
              if not name.startswith((*KINDS, 'closed_', 'negative_'))])


@check.case
def every_backend_has_a_section_with_its_tables_and_a_row_in_the_summary():
    text = PAGE.read_text()
    assert re.findall(r'^\| `(\w+)` \| (?:\d{4}|–) \|', text, re.M) == rungs(), 'the summary'
    assert re.findall(r'^### (\w+)$', text, re.M)[:len(rungs())] == rungs(), 'the sections'
    for name in BACKENDS:
        if name not in rungs():
            print(f'{name} has no section yet')
    tables = [words for words, _ in blocks(PAGE)]
    complain([f'{name} has no table of its {what}' for name in rungs()
              for what in ('costs', 'limits') if [what, name] not in tables])


@check.case
def tests_that_are_named_exist():
    named = re.findall(r'`(\w+\.c):(\w+)`', PAGE.read_text())
    complain([f'{file} has no case {case}' for file, case in named
              if f'({case})' not in (pathlib.Path(ROOT) / 'tests' / file).read_text()])


if WRITE:
    write(PAGE, anew)
else:
    check.main()
