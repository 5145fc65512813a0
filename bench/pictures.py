"""The pictures of the page, drawn by gnuplot. Each is None if there is nothing to draw.

SPDX-License-Identifier: MIT
"""

from drawing import LINE, Drawing, colour, line, point
from plan import BASE
from rungs import title
from tables import against_base, awake, chain_words, stacks
from units import digits

MOST_RATIO = 2  # what is beyond is written, not drawn
BESIDE = """
set xrange [{}:{}]
set yrange [{}:-0.6]
set ytics ({})
set grid noytics
set tmargin 3
set arrow from 1, graph 0 to 1, graph 1 nohead lw 1.5 lc rgb "#555555"
set xlabel "{}"
"""


def _idle(samples, rungs):
    return [(rung, samples.of('idle', rung.backend)) for rung in rungs
            if samples.of('idle', rung.backend)]


def turn(samples, rungs, found):
    """The time of a turn against N: measured, and fitted."""
    series = _idle(samples, rungs)
    if not series:
        return None
    drawing = Drawing()
    for one in found:
        drawing.plots.append(f'[x=1:{one.most}] ({one.a!r} + {one.b!r} * x) / 1e9 ' +
                             line(one.rung))
    times = []
    for rung, rows in series:
        drawing.add([(shape.n, *row.time()) for shape, row in rows],
                    '{} using 1:($3/1e9):($2/1e9):($4/1e9) with yerrorbars ' + point(rung))
        points = [(shape.n, row.time().middle / 1e9) for shape, row in rows]
        drawing.end(rung, points)
        times += [time for _, time in points]
    drawing.by_n(560, min(times) / 2, max(times) * 3)
    return drawing.draw('turn', 560, """
        set xlabel "N: watched descriptors, of which one is active"
        set format y "%.0s %cs"
        set ylabel "CPU time of a turn"
        """)


def work(samples, rungs):
    """The bytes that a wait copies, against N."""
    drawing = Drawing()
    most = 0
    for rung, rows in _idle(samples, rungs):
        copied = [(shape.n, row.work()['bytes_in'] + row.work()['bytes_out'])
                  for shape, row in rows]
        if min(copied)[1] > 0:
            drawing.add(copied, '{} using 1:2 ' + line(rung),
                        '{} using 1:2 with points ' + point(rung))
            drawing.end(rung, copied)
            most = max(most, copied[-1][1])
    if not most:
        return None
    drawing.by_n(460, 1, most * 4)
    return drawing.draw('work', 460, """
        set xlabel "N: watched descriptors, of which one is active"
        set format y "%.0s %cB"
        set ylabel "copied in and out by a wait"
        """)


def tax_by_n(samples, rungs):
    """The tax of `idle` against N, but for lessons."""
    drawing = Drawing()
    drawing.plots.append('1 with lines lw 1.5 lc rgb "#555555"')
    most, least = 0, 1
    for rung, rows in _idle(samples, [rung for rung in rungs if not rung.lesson]):
        taxes = [(shape, row.tax()) for shape, row in rows if row.tax()]
        if taxes:
            drawing.add([(shape.n, *tax) for shape, tax in taxes],
                        f'{{}} using 1:3 with lines lw 1 lc rgb "{colour(rung)}"',
                        '{} using 1:3:2:4 with yerrorbars ' + point(rung))
            drawing.end(rung, [(shape.n, tax.middle) for shape, tax in taxes])
            least = min(least, *(tax.middle for _, tax in taxes))
            most = max(most, *(tax.middle for _, tax in taxes))
    if not most:
        return None
    drawing.by_n(420, 0.7 * least, 1.4 * most)
    return drawing.draw('taxbyn', 420, """
        set ytics (0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1, 1.2, 1.5, 2, 3, 5)
        set ylabel "rouse / raw loop"
        """)


def _ratios(name, label, series):
    """Ratios side by side: a line for each shape, a point for each backend. `series` are pairs of a
    backend and of pairs: a name and an interval."""
    series = [(rung, rows) for rung, rows in series if rows]
    if not series:
        return None
    names = list(dict.fromkeys(row[0] for _, rows in series for row in rows))
    drawing = Drawing()
    beyond = [0] * len(names)
    for i, (rung, rows) in enumerate(series):
        shift = 0.16 * (i - (len(series) - 1) / 2)  # not on top of one another
        drawing.add([(*row[1], names.index(row[0]) + shift) for row in rows],
                    '{} using 2:4:1:3 with xerrorbars ' + point(rung))
        drawing.text(f'graph {0.02 + 0.2 * i}, first -0.95', rung.backend, colour(rung),
                     f'point {point(rung)} offset 1,0')
        for row in rows:
            if row[1].middle > MOST_RATIO:
                at = names.index(row[0])
                drawing.text(f'graph 1.01, first {at + 0.3 * beyond[at] - 0.15}',
                             f'→ {rung.backend}: {digits(row[1].middle, 2)}', colour(rung))
                beyond[at] += 1
    low = min(row[1].low for _, rows in series for row in rows)
    high = min(MOST_RATIO, max((row[1].high for _, rows in series for row in rows
                                if row[1].middle <= MOST_RATIO), default=1))
    tics = ', '.join(f'"{words}" {i}' for i, words in enumerate(names))
    style = BESIDE.format(0.95 * min(low, 0.8), 1.05 * max(high, 1.2), len(names) - 0.4, tics,
                          label)
    if any(beyond):
        style += 'set rmargin 13\n'
    return drawing.draw(name, 130 + 3 * LINE * len(names), style)


def tax(samples, rungs):
    """The tax of the other workloads, but for lessons."""
    series = []
    for rung in rungs:
        rows = [(chain_words(shape), row)
                for shape, row in samples.of('chain', rung.backend)]
        rows += [(f'{shape.n:,} connections', row)
                 for shape, row in samples.of('echo', rung.backend)]
        series.append((rung, [(name, row.tax()) for name, row in rows
                              if row.tax() and not rung.lesson]))
    return _ratios('tax', 'rouse / raw loop on the same system call', series)


def against(samples, rungs):
    """The library on each backend over the raw loop on BASE."""
    return _ratios('against', f'rouse / raw loop on {BASE}, level triggered',
                   [(rung, [(chain_words(shape), row.tax())
                            for shape, row in against_base(samples, rung)]) for rung in rungs])


def memory(samples, rungs):
    """What threads take, against N, and what the first backend takes."""
    drawing = Drawing()
    sizes = []
    for rung in rungs:
        held = [(shape.n, sample) for shape, sample in samples.held('hold', rung.backend)]
        many = held and held[-1][1]['threads_held'] > held[-1][0]
        if not held or not (many or rung is rungs[0]):
            continue
        lines = [('addresses', lambda sample: 1024 * sample['size_kb_held']),
                 ('memory', lambda sample: 1024 * sample['resident_kb_held'])]
        for words, value in lines + [('kernel stacks', stacks)] * many:
            rows = [(n, value(sample)) for n, sample in held]
            drawing.add(rows, '{} using 1:2 ' + line(rung),
                        '{} using 1:2 with points ' + point(rung))
            drawing.end(rung, rows, f'{rung.backend}: {words}')
            sizes += [size for _, size in rows if size > 0]
    if not any(end[-1].endswith('stacks') for end in drawing.ends):
        return None
    drawing.by_n(460, min(sizes) / 2, max(sizes) * 3)
    return drawing.draw('memory', 460, """
        set xrange [80:12000]
        set format y "%.0s %cB"
        """)


def asleep(samples, rungs):
    """The share of the time that is not slept while nothing happens."""
    held = [(rung, samples.held('hold', rung.backend)[-1][1]) for rung in rungs
            if samples.held('hold', rung.backend)]
    if not held:
        return None
    drawing = Drawing()
    for i, (rung, sample) in enumerate(held):
        share = awake(sample)
        drawing.add([(share, i)], '{} using (0):2:(0):1:($2-0.3):($2+0.3) with boxxyerror '
                    f'fill solid 0.8 noborder lc rgb "{colour(rung)}"')
        drawing.text(f'first {share}, first {i}', f'{digits(share, 2)} %', colour(rung),
                     'offset 1,0')
    tics = ', '.join(f'"{title(rung)}" {i}' for i, (rung, _) in enumerate(held))
    return drawing.draw('asleep', 90 + 34 * len(held), f"""
        set xrange [0:110]
        set yrange [{len(held) - 0.4}:-0.6]
        set ytics ({tics}) scale 0
        set grid noytics
        set xlabel "% of the time awake, while nothing happens"
        """)
