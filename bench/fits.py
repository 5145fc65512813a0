"""What a turn costs as the number of watched descriptors grows: a + b*N, for every backend.

Fitted by gnuplot to the medians of `idle`. Each point counts by its relative error, so that the
small N settle a and the large ones b. The intervals are two standard errors, and hold what a
straight line misses as well.

SPDX-License-Identifier: MIT
"""

import collections

import gnuplot
from rungs import title
from samples import Row
from units import amount, nanoseconds

# `most` is the largest N, `raw` the fit of the raw loop or None. At the largest N, `vain` reads
# found nothing for each descriptor that did nothing, and an event put threads to sleep so many
# times as `switches` says.
Fit = collections.namedtuple('Fit', 'rung a a_error b b_error most vain switches raw')

LEAST_POINTS = 4
SCRIPT = """
set fit quiet logfile "/dev/null" errorvariables
a = {a}
b = {b}
fit a + b * x $points using 1:2:2 yerrors via a, b
set print "-"
print sprintf("%.9g %.9g %.9g %.9g", a, a_err, b, b_err)
"""


def fit(samples, rung, time=Row.time):
    """The fit of a backend; None if there are too few points."""
    of = [(shape, row) for shape, row in samples.of('idle', rung.backend) if time(row)]
    points = [(shape.n, time(row).middle) for shape, row in of]
    if len(points) < LEAST_POINTS:
        return None
    (first, low), (last, high) = points[0], points[-1]
    guess = {'a': low, 'b': max(high - low, 0.001) / (last - first)}
    answer = gnuplot.run(gnuplot.block('points', points) + SCRIPT.format(**guess))
    raw = fit(samples, rung, Row.raw_time) if time == Row.time else None
    most = of[-1][1]
    return Fit(rung, *map(float, answer.split()), last, most.each('empty') / (last - 1),
               most.each('switches'), raw)


def verdict(found):
    """Whether a turn is O(N) in the range that was measured, or flat, or between; it is flat too if
    b may be 0."""
    if found.b < 2 * found.b_error or found.b * found.most < 0.1 * found.a:
        return 'flat'
    return 'O(N)' if found.b * found.most > 10 * found.a else 'between flat and O(N)'


def sentence(found):
    """The fit in words."""
    start = f'{title(found.rung)}: {nanoseconds(found.a)}'
    if found.switches > 0.5:
        start += f' and {amount(found.switches)} switches of threads'
    if verdict(found) == 'flat':
        return f'{start}, whatever N is'
    what = 'each descriptor that does nothing'
    if found.vain > 0.9:
        what += ', which is read in vain'
    return f'{start} + {nanoseconds(found.b)} for {what}: {verdict(found)}'


def short(found):
    """The fit in the fewest words."""
    if verdict(found) == 'flat':
        return f'{nanoseconds(found.a)} whatever N is'
    return f'{nanoseconds(found.a)} + {nanoseconds(found.b)} x N'


def intervals(found):
    """Where a and b lie, and what the raw loop takes."""
    ranges = [f'{name} is {nanoseconds(value - 2 * error)} to {nanoseconds(value + 2 * error)}'
              for name, value, error in (('a', found.a, found.a_error),
                                         ('b', found.b, found.b_error))]
    raw = f'; the raw loop takes {short(found.raw)}' if found.raw else ''
    return f'{", ".join(ranges)}, N goes up to {found.most:,}{raw}'
