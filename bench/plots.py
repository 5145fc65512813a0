"""The pictures of bench/peers, drawn by gnuplot; each is None if there is nothing to draw.

A library has one colour everywhere, a backend one shape of point and one kind of line.

SPDX-License-Identifier: MIT
"""

import collections
import math

import rows as rows_
import units
import verdicts
from drawing import AROUND, COLOURS, LINE, POINTS, Drawing, spread

MAKERS = ('rouse', 'rouse-edge', 'libev', 'libevent', 'libuv', 'raw', 'raw-edge')
BACKENDS = ('epoll', 'io_uring', 'poll', 'select', 'threads', 'spin')
DASHES = {'epoll': '', 'changelist': 'dt (8,3,2,3) ', 'io_uring': 'dt (12,3) ', 'poll': 'dt (6,4) ',
          'select': 'dt (2,3) '}
OPEN_CIRCLE = 6  # of epoll, by another name
MOST_RATIO = 2.0  # what is beyond is written, not drawn
SHARES = (0, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 100)

Look = collections.namedtuple('Look', 'place lesson backend')  # as drawing.py wants it

INTERVALS = """
set xrange [{}:{}]
set yrange [{}:-0.7]
set ytics ({})
set grid noytics
set lmargin {}
set rmargin {}
set object rectangle from {}, graph 0 to {}, graph 1 fc rgb "#eeeeea" fs solid noborder behind
set arrow from 1, graph 0 to 1, graph 1 nohead lw 1.5 lc rgb "#555555"
set xlabel "{}"
"""


def look(subject):
    maker = rows_.maker(subject)
    place = MAKERS.index(maker) if maker in MAKERS else 5
    return Look(place, False, subject)


def _colour(subject):
    return COLOURS[look(subject).place]


def _point(subject):
    name = subject.split(':')[1]
    shape = POINTS[BACKENDS.index(name)] if name in BACKENDS else OPEN_CIRCLE
    return f'lc rgb "{_colour(subject)}" pt {shape} ps 0.8'


def _line(subject):
    return (f'with lines lw 1.6 {DASHES.get(subject.split(":")[1], "dt (1,5) ")}'
            f'lc rgb "{_colour(subject)}"')


def _intervals(name, lines, label, style='', most=MOST_RATIO):
    """Ratios with their intervals, a line of words, interval and subject each; the grey band is
    the margin within which two are a tie."""
    if not lines:
        return None
    drawing = Drawing()
    drawn = [ratio for _, ratio, _ in lines if ratio.middle <= most]
    low = min([ratio.low for ratio in drawn] + [0.9])
    high = min(max([ratio.high for ratio in drawn] + [1.1]), 1.3 * most)
    for i, (_, ratio, subject) in enumerate(lines):
        drawing.add([(*ratio, i)], '{} using 2:4:1:3 with xerrorbars ' + _point(subject))
        words = ('→ ' if ratio.middle > most else '') + units.ratio(ratio.middle)
        drawing.text(f'graph 1.01, first {i}', words, _colour(subject))
    tics = ', '.join(f'"{words}" {i}' for i, (words, _, _) in enumerate(lines))
    style += INTERVALS.format(0.97 * low, 1.03 * high, len(lines) - 0.3, tics,
                             3 + max(len(words) for words, _, _ in lines) * 0.85, 9,
                             1 - verdicts.MARGIN, 1 + verdicts.MARGIN, label)
    return drawing.draw(name, 90 + LINE * len(lines), style)


def row(number, one):
    """All subjects of a row against its reference; the reference against itself is the noise."""
    if one.case.family == 'calls' or one.quantity.exact:
        return None
    lines = [(f'{subject} itself' if subject == one.case.reference else subject,
              one.ratio(subject), subject)
             for subject in sorted(one.subjects, key=lambda name: one.ratio(name).middle)]
    return _intervals(f'row{number}', lines,
                      f'{one.quantity.name}, over that of {one.case.reference}')


def best(some):
    """Our best against the best peer, a line for each row."""
    lines = []
    for one in some:
        for ours, peer, ratio, _ in one.duels()[:1]:
            lines.append((f'{one.case.title}: {peer}', ratio, ours))
    return _intervals('best', lines, "ours over the best peer's, on the same system call",
                      'set logscale x\nset xtics (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)\n',
                      most=10)


def _series(some, workload, subjects=None):
    """{subject: [(n, interval)]} of a workload."""
    found = collections.defaultdict(list)
    for one in some:
        if one.case.workload == workload:
            for subject in one.subjects:
                if subjects is None or subject in subjects:
                    found[subject].append((one.case.settings.get('n', 1), one.value(subject)))
    return {subject: sorted(points) for subject, points in found.items() if len(points) > 1}


def _name_short(drawing, series, room):
    """The names of lines that end before the margin, beside their ends and apart."""
    ends = sorted((points[-1][1].middle / 1e9, points[-1][0], subject)
                  for subject, points in series.items())
    for place, (_, n, subject) in zip(spread([math.log10(end[0]) for end in ends], room), ends):
        drawing.text(f'first {1.1 * n!r}, first {10**place!r}', subject, _colour(subject),
                     'offset 1,0')


def _by_n(name, series, height, label, style=''):
    if not series:
        return None
    first = min(n for points in series.values() for n, _ in points)
    last = max(n for points in series.values() for n, _ in points)
    drawing = Drawing()
    for subject, points in series.items():
        drawing.add([(n, value.low / 1e9, value.middle / 1e9, value.high / 1e9)
                     for n, value in points],
                    '{} using 1:3 ' + _line(subject),
                    '{} using 1:3:2:4 with yerrorbars ' + _point(subject))
        if points[-1][0] > last / 4:
            drawing.end(look(subject), [(n, value.middle / 1e9) for n, value in points], subject)
    values = [value.middle / 1e9 for points in series.values() for _, value in points]
    drawing.by_n(height, min(values) / 1.6, max(values) * 2)
    _name_short(drawing, {subject: points for subject, points in series.items()
                          if points[-1][0] <= last / 4},
                math.log10(3.2 * max(values) / min(values)) * LINE / (height - AROUND))
    return drawing.draw(name, height, f"""
        set xrange [{0.8 * first}:{1.2 * last}]
        set format y "%.0s %cs"
        set ylabel "{label}"
        {style}""")


def idle(some):
    """The time of an event against N, on every backend."""
    subjects = [f'{maker}:{backend}' for maker in MAKERS for backend in BACKENDS
                if (maker, backend) not in (('raw', 'io_uring'), ('raw', 'threads'),
                                            ('raw', 'spin'), ('rouse', 'io_uring'))
                and (maker != 'raw-edge')
                and (maker != 'rouse-edge' or backend in ('epoll', 'io_uring'))]
    return _by_n('idle', _series(some, 'idle', subjects), 760, 'CPU time of an event', """
        set xlabel "N: watched descriptors, of which one is active"
        """)


def timers(some, what):
    """The time of an operation on timers against their number."""
    return _by_n(f'timers{what}', _series(some, f'timers-{what}'), 330, f'CPU time: {what}', """
        set xlabel "timers"
        """)


def spectrum(number, one):
    """Latencies by their percentile; to the right the few that are worst."""
    if one.quantity is not rows_.LATENCY:
        return None
    drawing = Drawing()
    for i, subject in enumerate(one.subjects):
        latencies = sorted(one.latencies(subject))
        points = [(_nines(share, len(latencies)),
                   rows_.percentile(latencies, share) / 1e9) for share in SHARES]
        drawing.add(points, '{} using 1:2 ' + _line(subject),
                    '{} using 1:2 with points ' + _point(subject))
        drawing.text(f'graph 1.03, graph {0.96 - 0.06 * i}', subject, _colour(subject),
                     f'point {_point(subject)} offset 1,0')
    return drawing.draw(f'spectrum{number}', 480, """
        set logscale xy
        set rmargin 21
        set xtics ("0" 1, "50 %%" 2, "90 %%" 10, "99 %%" 100, "99.9 %%" 1000)
        set format y "%.0s %cs"
        set xlabel "percentile"
        set ylabel "latency, from when it was meant to be sent"
        """)


def _nines(share, count):
    """1 in how many is worse; the worst of all is one in as many as there are."""
    return count if share == 100 else 100 / (100 - share)
