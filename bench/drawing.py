"""How a picture looks, and how it is put together for gnuplot.

A backend has one colour and one shape of point everywhere; the colours are told apart by the
colour-blind too, and every line has its name at its end. Lessons are dashed.

SPDX-License-Identifier: MIT
"""

import math

import gnuplot
from rungs import title

COLOURS = ('#009e73', '#0072b2', '#d55e00', '#a23b7c', '#8c6d1f', '#555555', '#000000')
POINTS = (7, 5, 9, 13, 11, 15, 7)
WIDTH = 900
LINE = 21  # pixels that a label needs
AROUND = 80  # pixels above and below a plot

STYLE = """
set border 3 lc rgb "#555555"
set tics nomirror textcolor rgb "#333333"
set grid lc rgb "#dddddd" lw 1
unset key
"""


def colour(rung):
    return COLOURS[rung.place % len(COLOURS)]


def line(rung):
    """How the line of a backend is drawn."""
    return f'with lines lw 2 {"dt (6,4) " if rung.lesson else ""}lc rgb "{colour(rung)}"'


def point(rung):
    shape = POINTS[rung.place % len(POINTS)]
    return f'lc rgb "{colour(rung)}" pt {shape} ps 0.7'


class Drawing:
    """Data, labels and plot commands that are gathered, one series after the other."""

    def __init__(self):
        self.data = ''
        self.style = ''
        self.plots = []
        self.ends = []  # x, y, whether it rises, colour, name

    def add(self, rows, *plots):
        """Plots of rows of numbers; `{}` in them stands for the data."""
        name = f'd{len(self.plots)}'
        self.data += gnuplot.block(name, rows)
        self.plots += [plot.format(f'${name}') for plot in plots]

    def text(self, where, words, tone, more=''):
        """Words in the picture; `where` is a position as gnuplot writes it."""
        self.style += f'set label "{words}" at {where} textcolor rgb "{tone}" {more}\n'

    def end(self, rung, points, words=None):
        """The line through these points shall have its name at its end."""
        rises = points[-1][1] > 10 * points[0][1]
        self.ends.append((*points[-1], rises, colour(rung), words or title(rung)))

    def by_n(self, height, low, high):
        """Both scales are logarithmic, x is N. The names of the lines that go furthest stand at the
        right margin, apart from one another; the others beside the ends of their lines."""
        most = max(end[0] for end in self.ends)
        room = math.log10(high / low) * LINE / (height - AROUND)
        right = sorted((end for end in self.ends if end[0] > most / 4), key=lambda end: end[1])
        places = spread([math.log10(end[1]) for end in right], room)
        for place, (_, _, _, tone, words) in zip(places, right):
            self.text(f'graph 1.015, first {10**place!r}', words, tone)
        for x, y, rises, tone, words in self.ends:
            if x <= most / 4:
                self.text(f'first {x!r}, first {y!r}', words, tone,
                          'right offset -1,0.4' if rises else 'center offset 0,-1')
        self.style += f"""
            set logscale xy
            set xrange [0.8:{1.2 * most}]
            set yrange [{low!r}:{high!r}]
            set rmargin {2 + max(len(end[-1]) for end in right)}
            set format x "%.0f"
            set xlabel "N: watched descriptors"
            """

    def draw(self, name, height, style=''):
        verb = 'plot sample' if self.plots[0].startswith('[') else 'plot'  # a range of its own
        plots = ', \\\n'.join(self.plots)
        return gnuplot.picture(name, WIDTH, height,
                               f'{STYLE}{self.style}{style}\n{self.data}{verb} {plots}\n')


def spread(places, room):
    """The places, in rising order, moved apart until there is room between neighbours."""
    places = list(places)
    for _ in range(200):
        for i in range(1, len(places)):
            lacks = room - (places[i] - places[i - 1])
            if lacks > 0:
                places[i - 1] -= lacks / 2
                places[i] += lacks / 2
    return places
