"""What has changed since an earlier run: row by row, for each subject that both have.

What is compared is the ratio to the reference, then and now, so that a machine that is slower today
does not look like a change. The two runs have no launch in common, so the interval is wider than
within one; the noise of both counts.

SPDX-License-Identifier: MIT
"""

import units
import verdicts
from table import Table


def _line(before, after, subject):
    exact = after.quantity.exact
    then, now = (row.value(subject) if exact else row.ratio(subject) for row in (before, after))
    change = verdicts.quotient(*(row.of_launches(subject, exact) for row in (after, before)))
    floor = max(before.floor, after.floor)
    verdict = verdicts.verdict(change, max(verdicts.MARGIN, floor))
    if floor and verdict in verdicts.NEAR or min(before.count, after.count) < after.least:
        verdict = verdicts.NONE
    counts = [row.counted.get(subject, {}).get('instructions') for row in (before, after)]
    words = ([units.interval(then), units.interval(now)] if not exact
             else [units.amount(then.middle), units.amount(now.middle)])
    return [after.case.title, subject, *words, units.interval(change), verdict,
            *('' if count is None else units.amount(count) for count in counts)]


def table(before, after):
    """Of two lists of rows."""
    then = {row.case.title: row for row in before}
    lines = []
    for row in after:
        old = then.get(row.case.title)
        if old and row.case.family != 'calls' and old.case.reference == row.case.reference:
            lines += [_line(old, row, subject) for subject in row.subjects[1:]
                      if subject in old.subjects]
    return Table(['workload', 'subject', 'ratio then', 'now', 'now / then', 'verdict',
                  'instr then', 'now'], lines, words=(1, 5))


def sentence(made):
    found = [line[5] for line in made.rows]
    words = ', '.join(f'{found.count(word)} {word}' for word in
                      (verdicts.BETTER, verdicts.WORSE, verdicts.TIE, verdicts.UNKNOWN,
                       verdicts.NONE) if word in found)
    return f'since the earlier run: {words or "nothing is in both"}'
