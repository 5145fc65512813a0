"""The page docs/backends.md, for check_backends.py and check_elsewhere.py: its generated tables, and
when what one backend tells is what another does.

Generated tables stand between `<!-- generated: WORDS -->` and `<!-- end -->`; the words say which
table it is.

SPDX-License-Identifier: MIT
"""

import itertools
import re

from backends_measured import BITS, is_same

BLOCK = re.compile(r'(<!-- generated: ([^>]*?) -->\n)(.*?)(<!-- end -->)', re.S)
WANTS = {'READ': 'R', 'WRITE': 'W', 'PRIORITY': 'P'}


def cells(line):
    return [cell.strip() for cell in line.strip('|').split('|')]


def heading(text):
    return cells(next((line for line in text.splitlines() if line.startswith('|')), ''))


def table(text):
    """The cells of its rows, without the heading."""
    return [cells(line) for line in text.splitlines() if line.startswith('|')][2:]


def made(titles, rows):
    lines = ['| ' + ' | '.join(row) + ' |' for row in [titles, *rows]]
    return '\n'.join([lines[0], '|---' * len(titles) + '|', *lines[1:], ''])


def blocks(page):
    """(words, text) of each generated table."""
    return [(words.split(), text) for _, words, text, _ in BLOCK.findall(page.read_text())]


def changed(words, text, now):
    """What a table says that was not measured, line by line."""
    lines = itertools.zip_longest(text.splitlines(), now.splitlines(), fillvalue='')
    return [f'{" ".join(words)}:\n  page: {line}\n  here: {new}' for line, new in lines
            if line.count('|') != new.count('|') or not all(map(is_same, cells(line), cells(new)))]


def write(page, anew):
    """Makes tables anew. What differs from the page by chance alone stays."""
    def replaced(found):
        words = found[2].split()
        now = anew(words, found[3])
        return found[1] + now + found[4] if changed(words, found[3], now) else found[0]
    page.write_text(BLOCK.sub(replaced, page.read_text()))


def is_alike(one, told, reported, right, want):
    """Whether what the backend `one` tells is right, but for what its traits say; `reported` is what
    one that can tell of HANGUP and ERROR says by itself."""
    if not all(word == '-' or BITS.fullmatch(word) for word in (right, told)):
        return told == right
    if one.has('GUESS'):
        return told == want
    if one.has('HANGUP'):
        return told == right
    told, right = set(told) - {'-'}, set(right) - {'-'}
    untold = set('EH')
    if right & untold:
        untold |= set('WP') - set(reported)
    return told <= right and right - told <= untold
