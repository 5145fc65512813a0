"""The page docs/backends.md, for check_backends.py and check_elsewhere.py: its generated tables,
and when what one backend tells is what another does.

Generated tables stand between `<!-- generated: WORDS -->` and `<!-- end -->`; the words say which
table it is.

SPDX-License-Identifier: MIT
"""

import itertools
import re

from backends_measured import BITS, is_same

BLOCK = re.compile(r'(<!-- generated: ([^>]*?) -->\n)(.*?)(<!-- end -->)', re.S)
WANTS = {'READ': 'R', 'WRITE': 'W', 'PRIORITY': 'P'}


# The kinds of descriptors, by how the names of their situations begin.
KINDS = {
    'pipe_': 'pipes', 'fifo_': 'named pipes', 'unix_': 'unix sockets',
    'datagram_': 'unix datagrams', 'seqpacket_': 'unix sequenced packets', 'tcp_': 'TCP',
    'listener_': 'listening sockets', 'udp_': 'UDP', 'eventfd_': 'eventfd', 'timerfd_': 'timerfd',
    'signalfd_': 'signalfd', 'inotify_': 'inotify', 'pidfd_': 'pidfd', 'epoll_': 'epoll',
    'terminal_': 'terminals', 'master_': 'their masters', 'mounts_': '/proc/self/mounts',
    'regular_': 'regular files', 'directory': 'directories', 'memory_': 'memory files',
    'null_': '/dev/null', 'zero_': '/dev/zero', 'random_': '/dev/urandom',
}
COSTS = {
    'start': 'start a watcher', 'write': 'READ becomes WRITE, the first time',
    'again': 'READ becomes WRITE and back, later', 'pause': 'pause', 'resume': 'resume',
    'stop': 'stop a watcher',
    '1-of-50': 'wait, 1 of 50 is ready', '1-of-500': 'wait, 1 of 500 is ready',
    '50-of-500': 'wait, 50 of 500 are ready',
}
COUNTED = ['system calls', 'descriptors handed over', 'bytes in', 'bytes out', 'entries looked at']


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
    """Whether what the backend `one` tells is right, but for what its traits say; `reported` is
    what one that can tell of HANGUP and ERROR says by itself."""
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


def by_watchers(one, what):
    """What a thing costs level watchers, and edge watchers: one row if that is the same."""
    rows = [[mode, *one.counts(mode, what)] for mode in ('level', 'edge')
            if (mode, what) in one.costs]
    return [['both', *rows[0][1:]]] if len(rows) == 2 and rows[0][1:] == rows[1][1:] else rows


def costs_of(one):
    rows = [[title, *row] for what, title in COSTS.items() for row in by_watchers(one, what)]
    return made(['each', 'watchers', *COUNTED], rows)


def limits_of(backend, one):
    refused, there = {}, 0
    for beginning, kind in KINDS.items():
        told = {told for name, told in one.reports.items() if name.startswith(beginning)}
        there += bool(told)
        for error in sorted(word for word in told if word != '-' and not BITS.fullmatch(word)):
            refused.setdefault(error, []).append(kind)
    limit = one.facts['limit'][0]
    rows = [['descriptors', 'any' if limit == '0' else
             f'below {limit}; from there on `rouse_io_start()` says `-ERANGE`'],
            ['descriptors of its own', *one.facts['descriptors']],
            ['threads of its own with 50 watchers', *one.facts.get('threads', ['not counted'])],
            ['traits', ', '.join(one.facts['traits'])],
            ['kinds of descriptors', f'all {there}' if not refused else
              f'{there - sum(map(len, refused.values()))} of {there}']]
    rows += [[f'refused with `{error}`', ', '.join(kinds)] for error, kinds in refused.items()]
    return made(['limits', backend], rows)
