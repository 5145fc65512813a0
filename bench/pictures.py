"""The pictures of the page, drawn by gnuplot.

A backend has one colour and one shape of point everywhere; the colours are told apart by the
colour-blind too.

SPDX-License-Identifier: MIT
"""

import gnuplot
from tables import chain_name

COLOURS = ('#009e73', '#0072b2', '#d55e00', '#cc79a7', '#e69f00', '#56b4e9', '#000000')
POINTS = (7, 5, 9, 13, 11, 4, 6)
WIDTH = 900

STYLE = """
set border 3 lc rgb "#555555"
set tics nomirror textcolor rgb "#333333"
set grid lc rgb "#dddddd" lw 1
set key top left reverse Left samplen 2 spacing 1.2
"""
BY_N = """
set logscale x
set xrange [0.8:{}]
set xlabel "N: watched descriptors, of which one is active"
"""
BY_NAME = """
set xlabel "rouse / raw"
set yrange [{}:-0.6]
set ytics ({})
set key outside top center horizontal
set arrow from 1, graph 0 to 1, graph 1 nohead lw 1.5 lc rgb "#555555"
"""
LEGEND = ('NaN with lines lw 2 lc rgb "#555555" title "fitted: a + b N"',
          'NaN with lines lw 1.5 dt (4,4) lc rgb "#555555" title "raw loop"')


def colour(backends, backend):
    return COLOURS[backends.index(backend) % len(COLOURS)]


class _Drawing:
    """Data and plot commands that are gathered, one series after the other."""

    def __init__(self, backends):
        self.backends = backends
        self.data = ''
        self.plots = []

    def colour(self, backend):
        return f'lc rgb "{colour(self.backends, backend)}"'

    def point(self, backend):
        shape = POINTS[self.backends.index(backend) % len(POINTS)]
        return f'{self.colour(backend)} pt {shape} ps 0.7'

    def add(self, rows, *plots):
        """Plots of rows of numbers; `{}` in them stands for the data."""
        name = f'd{len(self.plots)}'
        self.data += gnuplot.block(name, rows)
        self.plots += [plot.format(f'${name}') for plot in plots]

    def draw(self, name, height, style):
        verb = 'plot sample' if self.plots[0].startswith('[') else 'plot'  # a range of its own
        plots = ', \\\n'.join(self.plots)
        return gnuplot.picture(name, WIDTH, height,
                               f'{STYLE}{style}\n{self.data}{verb} {plots}\n')


def _idle(samples, backends):
    return [(backend, samples.of('idle', backend)) for backend in backends
            if samples.of('idle', backend)]


def _by_n(series):
    return BY_N.format(2 * max(shape.n for _, rows in series for shape, _ in rows))


def turn(samples, backends, found):
    """The time of a turn against N: measured, fitted, and that of the raw loop."""
    series = _idle(samples, backends)
    if not series:
        return None
    drawing = _Drawing(backends)
    for one in found:
        drawing.plots.append(f'[x=1:{one.most}] ({one.a!r} + {one.b!r} * x) / 1e9 with lines lw 2 '
                             f'{drawing.colour(one.backend)} notitle')
    for backend, rows in series:
        drawing.add([(shape.n, *row.time(), row.time('raw') and row.time('raw').middle)
                     for shape, row in rows],
                    '{} using 1:($5/1e9) with lines lw 1.5 dt (4,4) '
                    f'{drawing.colour(backend)} notitle',
                    '{} using 1:($3/1e9):($2/1e9):($4/1e9) with yerrorbars '
                    f'{drawing.point(backend)} title "{backend}"')
    drawing.plots += LEGEND
    return drawing.draw('turn', 520, _by_n(series) + """
        set logscale y
        set format y "%.0s %cs"
        set ylabel "CPU time of a turn"
        """)


def work(samples, backends):
    """The bytes that a wait copies, against N."""
    series = _idle(samples, backends)
    if not series:
        return None
    drawing = _Drawing(backends)
    for backend, rows in series:
        drawing.add([(shape.n, row.work()['bytes_in'] + row.work()['bytes_out'])
                     for shape, row in rows],
                    '{} using 1:2 with linespoints lw 1.5 '
                    f'{drawing.point(backend)} title "{backend}"')
    return drawing.draw('work', 420, _by_n(series) + """
        set logscale y
        set yrange [1:]
        set format y "%.0s %cB"
        set ylabel "copied in and out by a wait"
        """)


def tax_by_n(samples, backends):
    """The tax of `idle` against N."""
    series = [(backend, [item for item in rows if item[1].tax()])
              for backend, rows in _idle(samples, backends)]
    series = [(backend, rows) for backend, rows in series if rows]
    if not series:
        return None
    drawing = _Drawing(backends)
    drawing.plots.append('1 with lines lw 1.5 lc rgb "#555555" notitle')
    for backend, rows in series:
        drawing.add([(shape.n, *row.tax()) for shape, row in rows],
                    '{} using 1:3 with lines lw 1 ' f'{drawing.colour(backend)} notitle',
                    '{} using 1:3:2:4 with yerrorbars '
                    f'{drawing.point(backend)} title "{backend}"')
    return drawing.draw('taxbyn', 380, _by_n(series) + """
        set ylabel "rouse / raw"
        set yrange [0:]
        set key bottom left
        """)


def tax(samples, backends):
    """The tax of the other workloads: a line for each shape, a point for each backend."""
    names, series = [], []
    for backend in backends:
        rows = [(f'chain {chain_name(shape)}', row) for shape, row in samples.of('chain', backend)]
        rows += [(f'c10k, {shape.n:,} connections', row)
                 for shape, row in samples.of('c10k', backend)]
        rows = [(name, row.tax()) for name, row in rows if row.tax()]
        names += [name for name, _ in rows if name not in names]
        if rows:
            series.append((backend, rows))
    if not series:
        return None
    drawing = _Drawing(backends)
    for i, (backend, rows) in enumerate(series):
        shift = 0.18 * (i - (len(series) - 1) / 2)  # side by side, not on top of one another
        drawing.add([(*interval, names.index(name) + shift) for name, interval in rows],
                    '{} using 2:4:1:3 with xerrorbars '
                    f'{drawing.point(backend)} title "{backend}"')
    tics = ', '.join(f'"{name}" {i}' for i, name in enumerate(names))
    return drawing.draw('tax', 110 + 44 * len(names),
                        BY_NAME.format(len(names) - 0.4, tics))
