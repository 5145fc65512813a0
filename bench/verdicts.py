"""What may be said of numbers that are never twice the same.

The unit is the launch: one process, in which a subject's slices alternate with the reference's.
Slices of one process share its luck (which pages it was given, what they collide with in a cache),
so a hundred slices of one launch prove less than ten launches. Each launch gives one number, and
the interval is what a bootstrap says of the median of these: it draws ten launches out of the ten,
again and again, and looks how far the median moves.

SPDX-License-Identifier: MIT
"""

import collections
import functools

import numpy
from scipy import stats

MARGIN = 0.02  # ratios that are nearer to 1 are no difference that anybody would notice
DRAWS = 4999

Interval = collections.namedtuple('Interval', 'low middle high')

BETTER = 'better'
WORSE = 'worse'
TIE = 'tie'
UNKNOWN = 'cannot tell'
NONE = 'no verdict'  # the noise is above what one needs
NEAR = (TIE, UNKNOWN)


def _bootstrap(statistic, *launches):
    middle = float(statistic(*launches))
    if all(len(set(values)) == 1 for values in launches):
        return Interval(middle, middle, middle)
    found = stats.bootstrap(launches, statistic, n_resamples=DRAWS, method='percentile',
                            vectorized=True, random_state=1).confidence_interval
    return Interval(min(float(found.low), middle), middle, max(float(found.high), middle))


@functools.lru_cache(maxsize=None)
def interval(values):
    """The median of a tuple, and where the true one lies in 95 of 100 cases; None of nothing."""
    if not values:
        return None
    return _bootstrap(numpy.median, values)


def quotient(now, then):
    """The interval of one median over another, of launches that have nothing to do with each
    other."""
    return _bootstrap(lambda one, two, axis=None: numpy.median(one, axis) / numpy.median(two, axis),
                      now, then)


def verdict(ratio, margin=MARGIN):
    """Of a subject by its ratio to another: below 1 it is cheaper."""
    if ratio.high < 1 - margin:
        return BETTER
    if ratio.low > 1 + margin:
        return WORSE
    if 1 - margin <= ratio.low and ratio.high <= 1 + margin:
        return TIE
    return UNKNOWN


def against_bound(value, bound, floor=0):
    """Whether a goal of at most `bound` is met, by an interval; `floor` is what may be noise."""
    if value.high * (1 + floor) <= bound:
        return 'met'
    return 'missed' if value.low * (1 - floor) > bound else UNKNOWN
