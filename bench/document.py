"""Makes docs/performance.md and its pictures of one full run. Its text is in performance.md here.

SPDX-License-Identifier: MIT
"""

import collections
import pathlib
import string

import about
import goals
import measuring
import plots
import program
import results
import rows
import seal
import shapes
import standings
import units
from program import Failure
from table import Table

TEMPLATE = pathlib.Path(__file__).with_name('performance.md')
DOCS = program.ROOT / 'docs'


def _cell(row, subject):
    if row.quantity.exact:
        return row.quantity.words(row.value(subject).middle)
    if subject == row.case.reference:
        return f'1: {row.quantity.words(row.value(subject).middle)}'
    return units.interval(row.ratio(subject))


def _shape(row):
    """What distinguishes a row from others of its workload."""
    return row.case.title.removeprefix(about.workload(row.case.workload)).strip(' -') or 'all'


def _tables(some):
    """Of one workload: a table for each reference, a column for each row."""
    groups = collections.defaultdict(list)
    for row in some:
        groups[row.case.family].append(row)
    made = []
    for those in groups.values():
        if standings.is_bare(those[0]):
            table = standings.bare(those)
        else:
            subjects = list(dict.fromkeys(name for row in those for name in row.subjects))
            table = Table(['', *map(_shape, those)],
                          [[name, *(_cell(row, name) if name in row.subjects else ''
                                    for row in those)] for name in subjects])
        made.append(table.markdown())
    return '\n'.join(made)


def _counts(some):
    """Of the rows of a workload that were counted: instructions and system calls."""
    some = [row for row in some if row.counted]
    if not some:
        return ''
    subjects = list(dict.fromkeys(name for row in some for name in row.counted))
    lines = [[name, *(' / '.join(units.amount(count) for key, count in
                                 row.counted.get(name, {}).items() if key != 'waits')
                      for row in some)] for name in subjects]
    return ('\nInstructions outside the kernel and system calls for each event:\n\n'
            + Table(['', *map(_shape, some)], lines).markdown())


def _sections(some):
    parts = []
    for name, words in about.ABOUT.items():
        those = [row for row in some if about.workload(row.case.workload) == name]
        if those:
            parts.append(f'### {name}\n\n{words}\n\n{_tables(those)}{_counts(those)}')
    return '\n'.join(parts)


def _pictures(some):
    """{name: picture} of those that can be drawn."""
    made = {'best': plots.best(some), 'idle': plots.idle(some)}
    for what in 'rearm', 'fire':
        made[f'timers-{what}'] = plots.timers(some, what)
    for number, row in enumerate(some):
        made[f'latency-{row.case.settings.get("rate")}'] = plots.spectrum(number, row)
    return {name: picture for name, picture in made.items() if picture}


def _written(picture, name, words):
    """A picture as a file of its own, and how it is shown."""
    file = f'performance-{name}.svg'
    (DOCS / file).write_text(picture + '\n', encoding='utf-8')
    return f'![{words}]({file})\n'


def write(out):
    found = results.Results.read(out / 'results.jsonl')
    plan = shapes.Plan({one['subject']: one for one in program.listed()})
    if any(found.environment['chosen'].values()) or not measuring.is_whole(plan, found):
        raise Failure(f'--document: {out} does not hold a full run that is whole', 2)
    some = rows.rows(plan, found)
    shown = {name: _written(picture, name, name) for name, picture in _pictures(some).items()}
    where = found.environment
    text = string.Template(TEMPLATE.read_text(encoding='utf-8')).substitute(
        best=shown.pop('best', ''), idle=shown.pop('idle', ''), others='\n'.join(shown.values()),
        sentence=standings.sentence(some), summaries=standings.summaries(some).markdown(),
        goals=goals.table(some).markdown(), goals_sentence=goals.sentence(some),
        sections=_sections(some), launches=max(row.count for row in some),
        machine=f'{where["processor"]}, {where["cores"]} processors, {where["kernel"]}',
        compiler=where['compiler'], commit=where['commit'], date=where['date'][:10],
        libraries=', '.join(f'{name} {version}' for name, version in where['libraries'].items()),
        notes=''.join(f'- {note}.\n' for note in standings.doubts(plan, some)))
    (DOCS / 'performance.md').write_text(seal.sealed(text, DOCS), encoding='utf-8')
