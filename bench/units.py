"""Numbers as people read them: three digits and a unit.

SPDX-License-Identifier: MIT
"""

import math


def digits(value, count=3):
    """With so many significant digits, and never a power of ten."""
    if value == 0:
        return '0'
    places = max(0, count - 1 - math.floor(math.log10(abs(value))))
    return f'{value:,.{min(places, 6)}f}'


def nanoseconds(value):
    """A time, in the unit that suits it; below a nanosecond one digit is enough."""
    for unit, size in ('s', 1e9), ('ms', 1e6), ('us', 1e3), ('ns', 1):
        if abs(value) >= 0.9995 * size:
            return f'{digits(value / size)} {unit}'
    return '0 ns' if abs(value) < 5e-7 else f'{digits(value, 1)} ns'


def amount(value):
    """A count, which may be a mean."""
    whole = abs(value - round(value)) < 0.005 or value >= 1000
    return f'{value:,.0f}' if whole else f'{value:,.2f}'


def size(value):
    """An amount of memory in bytes."""
    for unit, above in ('GB', 1e9), ('MB', 1e6), ('kB', 1e3):
        if value >= 0.9995 * above:
            return f'{digits(value / above)} {unit}'
    return f'{value:.0f} B'


def ratio(value):
    """Three places near 1, and three digits where it is far from it."""
    return digits(value) if abs(value) < 0.1 or abs(value) >= 100 else f'{value:.3f}'


def interval(found):
    """A ratio and where it lies in 95 of 100 cases, if there is any doubt."""
    if found.low == found.high:
        return ratio(found.middle)
    return f'{ratio(found.middle)} [{ratio(found.low)}, {ratio(found.high)}]'
