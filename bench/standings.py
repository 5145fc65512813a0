"""What a row says of each subject, as tables: once for the terminal, once for the page.

SPDX-License-Identifier: MIT
"""

import rows
import units
import verdicts
from table import Table

COUNTED = {'instructions': 'instr', 'system_calls': 'calls', 'waits': 'waits'}
SHARES = (50, 90, 99.9)  # percentiles beside the one that is compared


def heading(row):
    """What stands over the table of a row."""
    noise = '' if row.quantity.exact else f'; noise (it against itself) {units.interval(row.noise)}'
    return f'{row.case.title}, against {row.case.reference}{noise}'


def is_bare(row):
    """Whether it is a system call that is compared with nothing."""
    return row.case.family == 'calls'


def bare(some):
    """Those of such rows in one table."""
    lines = []
    for row in filter(is_bare, some):
        times = [row.value(row.case.reference, quantity) for quantity in (rows.CPU, rows.WALL)]
        lines.append([row.case.title, *(units.nanoseconds(time.middle) for time in times)])
    return Table(['bare system calls', rows.CPU.name, rows.WALL.name], lines)


def _verdict(row, subject):
    return '' if subject == row.case.reference else row.verdict(subject)


def _against_ours(row, subject):
    """Of a peer: how our best does beside it."""
    for ours, peer, ratio, verdict in row.duels():
        if peer == subject:
            return f'{rows.maker(ours)} {units.ratio(ratio.middle)}: {verdict}'
    return ''


def table(row):
    """A line for each subject, the cheapest first."""
    counted = [name for name in COUNTED if any(name in counts for counts in row.counted.values())]
    head = ['', row.quantity.name, 'ratio [95 %]', 'verdict', 'ours against it']
    if row.quantity is rows.CPU:
        head += ['wall / event', 'wall ratio']
    if row.quantity is rows.LATENCY:
        head += [f'{share:g} %' for share in SHARES] + ['most']
    head += [COUNTED[name] for name in counted]
    lines = []
    for subject in sorted(row.subjects, key=lambda one: row.value(one).middle):
        line = [subject, row.quantity.words(row.value(subject).middle),
                units.interval(row.ratio(subject)) if subject != row.case.reference else '1',
                _verdict(row, subject), _against_ours(row, subject)]
        if row.quantity is rows.CPU:
            line += [units.nanoseconds(row.value(subject, rows.WALL).middle),
                     units.ratio(row.ratio(subject, quantity=rows.WALL).middle)]
        if row.quantity is rows.LATENCY:
            latencies = sorted(row.latencies(subject))
            line += [units.nanoseconds(rows.percentile(latencies, share))
                     for share in (*SHARES, 100)]
        counts = row.counted.get(subject, {})
        line += [units.amount(counts[name]) if name in counts else '' for name in counted]
        lines.append(line)
    return Table(head, lines, words=(3, 4))


def summaries(some):
    """A line for each row: our best against the best peer."""
    lines = []
    for row in some:
        for ours, peer, ratio, verdict in row.duels()[:1]:
            lines.append([row.case.title, ours, peer, units.interval(ratio), verdict])
    return Table(['workload', 'ours', 'best peer', 'ratio [95 %]', 'ours is'], lines,
                 words=(1, 2, 4))


def duels(some):
    """How often ours is what, against any peer; and where a peer is better."""
    found = {word: 0 for word in (verdicts.BETTER, verdicts.TIE, verdicts.WORSE, verdicts.UNKNOWN,
                                  verdicts.NONE)}
    lost = []
    for row in some:
        for ours, peer, _, verdict in row.duels():
            found[verdict] += 1
            if verdict == verdicts.WORSE:
                lost.append(f'{row.case.title}: {peer} against {ours}')
    return found, lost


def sentence(some):
    """The last line of a run."""
    found, lost = duels(some)
    if not sum(found.values()):
        return 'nothing was compared with a peer'
    words = ', '.join(f'{word} {count}' for word, count in found.items() if count)
    said = f'rouse against peers, over {sum(found.values())} pairs in {len(some)} rows: {words}'
    return said + (f'; a peer is better in: {"; ".join(lost)}' if lost else '')


def doubts(plan, some):
    """What was left out, and rows whose verdicts are in doubt."""
    return plan.notes + [f'{row.case.title}: {row.trouble}' for row in some if row.trouble]
