"""The page of pitfalls: that docs/pitfalls.md is complete, and that the tests it names are there.

Usage: check_pitfalls.py SOURCE_ROOT. Read are both sides, the rows of the page and the ids with
which the comments above the tests begin; whether a test covers what it claims is for the reader.
What may surprise: a pitfall that the page calls untested fails a case as soon as a test claims it.

SPDX-License-Identifier: MIT
"""

import pathlib
import re
import sys

import check

ROOT = pathlib.Path(sys.argv[1])
PAGE = 'docs/pitfalls.md'
TESTS = ROOT / 'tests'
# Every id there is: the letter of a group, and the number of its last pitfall; the first is 1.
LAST = {'A': 26, 'B': 10, 'C': 12, 'D': 4, 'E': 3, 'F': 3, 'G': 12, 'H': 7, 'I': 24, 'J': 15,
        'K': 8, 'L': 12, 'M': 9, 'N': 8, 'O': 7, 'P': 11, 'Q': 11, 'R': 11, 'S': 4}
IDS = [f'{group}{number}' for group, last in LAST.items() for number in range(1, last + 1)]

LINK = re.compile(r'\[[^\]]+\]\(https?://[^)\s]+\)')
NO_LINK = re.compile(r'\b(measured|no public report)\b')
NAMED = re.compile(r'`([\w/]+\.(?:c|py)):(\w+)`')
# A cell of tests, and perhaps what there is to say about them.
COVER = re.compile(rf'{NAMED.pattern}(, {NAMED.pattern})*(; .+)?')
COMMENT = re.compile(r'/\*.*?\*/', re.S)
# How a comment above a test begins: "A1, A3: what is tested", or with the ids alone.
CLAIM = re.compile(r'/\*[\s*]*([A-Z]\d+(?:(?:,|,? and)\s+[A-Z]\d+)*)(?::|\s*\*/)')


def read_rows():
    """(place, heading, cells) of each row of the tables of the page."""
    rows, heading = [], ''
    for number, line in enumerate((ROOT / PAGE).read_text().split('\n'), 1):
        if line.startswith('## '):
            heading = line[3:]
        elif line.startswith('|') and not re.match(r'\| *(id *\||-)', line):
            cells = [cell.strip() for cell in re.split(r'(?<!\\)\|', line)[1:-1]]
            assert len(cells) == 4, f'{PAGE}:{number}: {len(cells)} cells, not 4'
            rows.append((f'{PAGE}:{number}: {cells[0]}', heading, cells))
    return rows


def read_claims():
    """(place, id) of each id with which a comment of a test begins."""
    claims = []
    for path in sorted(TESTS.rglob('*.[ch]')):
        text = path.read_text()
        for comment in COMMENT.finditer(text):
            claim = CLAIM.match(comment.group())
            number = text.count('\n', 0, comment.start()) + 1
            claims += [(f'{path.relative_to(ROOT)}:{number}', pitfall)
                       for pitfall in (re.findall(r'[A-Z]\d+', claim.group(1)) if claim else [])]
    return claims


def runs(name, case):
    """Whether a file has that case: a function, in it or in a header beside it, that it uses."""
    if not (TESTS / name).is_file():
        return False
    text = (TESTS / name).read_text()
    if name.endswith('.py'):
        return re.search(rf'^@check\.case\ndef {case}\(', text, re.M) is not None
    headers = [TESTS / header for header in re.findall(r'#include "(\w+\.h)"', text)]
    function = re.compile(rf'^[A-Za-z_][\w \t*]*\b{case}\([^;{{}}]*\)\s*\{{', re.M)
    places = [place for place in [text] + [path.read_text() for path in headers if path.is_file()]
              if function.search(place)]
    uses = len(re.findall(rf'\b{case}\b', text)) - places.count(text)
    return len(places) == 1 and uses > 0


def complain(wrong):
    assert not wrong, '\n' + '\n'.join(wrong)


@check.case
def each_pitfall_has_one_row_under_its_heading():
    rows = read_rows()
    named = [cells[0] for _, _, cells in rows]
    wrong = [f'{PAGE}: {pitfall} has {named.count(pitfall)} rows, not 1'
             for pitfall in IDS if named.count(pitfall) != 1]
    for place, heading, cells in rows:
        if cells[0] not in IDS:
            wrong.append(f'{place} is no id; if it is new, raise the number of its group here')
        elif not heading.startswith(cells[0][0] + '. '):
            wrong.append(f'{place} stands under the heading "{heading}"')
    complain(wrong)


@check.case
def each_row_says_what_goes_wrong_and_where_it_was_reported():
    wrong = []
    for place, _, (_, sentence, report, _) in read_rows():
        if len(sentence.split()) < 3 or not sentence.endswith('.'):
            wrong.append(f'{place} has no sentence')
        if not LINK.search(report) and not NO_LINK.search(report):
            wrong.append(f'{place} has no link, nor "measured" or "no public report"')
    complain(wrong)


@check.case
def each_row_names_a_test_or_says_why_there_is_none():
    wrong = []
    for place, _, (_, _, _, cover) in read_rows():
        if cover.startswith('none:'):
            if len(cover.split()) < 4:
                wrong.append(f'{place} gives no reason why there is no test')
        elif not COVER.fullmatch(cover):
            wrong.append(f'{place} has neither `file:case`, ... nor "none: reason": {cover}')
    complain(wrong)


@check.case
def each_test_that_is_named_exists():
    found = [(place, name, case) for place, _, cells in read_rows()
             for name, case in NAMED.findall(cells[3])]
    assert found
    complain([f'{place}: tests/{name} has no case {case}'
              for place, name, case in found if not runs(name, case)])


@check.case
def each_pitfall_that_a_test_claims_is_known_and_called_tested():
    claims = read_claims()
    assert claims
    untested = [cells[0] for _, _, cells in read_rows() if cells[3].startswith('none:')]
    wrong = [f'{place}: {pitfall} is not in {PAGE}' for place, pitfall in claims
             if pitfall not in IDS]
    wrong += [f'{place}: it covers {pitfall}, and {PAGE} says that nothing does'
              for place, pitfall in claims if pitfall in untested]
    complain(wrong)


check.main()
