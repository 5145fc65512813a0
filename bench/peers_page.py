"""The page of bench/peers: one file that stands alone, without scripts. Its text is in peers.html.

SPDX-License-Identifier: MIT
"""

import html
import pathlib
import re
import string

import about
import goals
import measuring
import plots
import standings

TEMPLATE = pathlib.Path(__file__).with_name('peers.html')
STYLE = pathlib.Path(__file__).with_name('page.css')
CUT = '<p><strong>The run is not whole; this is what there is.</strong></p>'


def _figure(picture, caption=''):
    if picture is None:
        return ''
    return f'<figure>\n{picture}\n<figcaption>{html.escape(caption)}</figcaption>\n</figure>'


def _prose(text):
    """`code` in words."""
    return re.sub(r'`([^`]*)`', r'<code>\1</code>', html.escape(text))


def _row(number, row):
    trouble = f'<p><strong>{html.escape(row.trouble)}.</strong></p>' if row.trouble else ''
    return '\n'.join(filter(None, (
        f'<h3>{html.escape(standings.heading(row))}</h3>', trouble,
        _figure(plots.row(number, row)), _figure(plots.spectrum(number, row)),
        standings.table(row).html())))


def _curves(some, name):
    """The pictures of a workload over all its rows."""
    if name == 'idle':
        return _figure(plots.idle(some), 'Both scales are logarithmic. A line that rises is a wait '
                       'that asks each descriptor, whoever calls it.')
    if name == 'timers':
        return '\n'.join(_figure(plots.timers(some, what))
                         for what in ('insert', 'cancel', 'rearm', 'fire'))
    return ''


def _workloads(some):
    numbered = list(enumerate(some))
    parts = []
    for name, words in about.ABOUT.items():
        those = [(number, row) for number, row in numbered
                 if about.workload(row.case.workload) == name]
        if those:
            parts.append(f'<h2 id="{name}">{name}</h2>\n<p>{_prose(words)}</p>')
            parts.append(_curves(some, name))
            parts += [_row(number, row) for number, row in those if not standings.is_bare(row)]
            if standings.is_bare(those[0][1]):
                parts.append(standings.bare(some).html())
    return '\n'.join(parts)


def _links(some):
    names = dict.fromkeys(about.workload(row.case.workload) for row in some)
    return ', '.join(f'<a href="#{name}">{name}</a>' for name in about.ABOUT if name in names)


def _table(table):
    return table.html() if table and table.rows else '<p>Nothing of this was measured.</p>'


def _facts(environment):
    def words(value):
        if isinstance(value, dict):
            return ', '.join(f'{name.replace("_", " ")} {one}' for name, one in value.items())
        return str(value)

    return '\n'.join(f'<tr><th scope="row">{html.escape(name.replace("_", " "))}</th>'
                     f'<td>{html.escape(words(value))}</td></tr>'
                     for name, value in environment.items() if value and name != 'chosen')


def write(path, some, plan, results):
    """Writes the page of what has been measured."""
    page = string.Template(TEMPLATE.read_text(encoding='utf-8')).substitute(
        style=STYLE.read_text(encoding='utf-8'),
        sentence=html.escape(standings.sentence(some)),
        cut='' if measuring.is_whole(plan, results) else CUT,
        best=_figure(plots.best(some), 'Left of the line rouse is cheaper. The grey band is the '
                     'margin within which two are called a tie.'),
        summaries=_table(standings.summaries(some)),
        goals=_table(goals.table(some)),
        goals_sentence=html.escape(goals.sentence(some)),
        workloads=_workloads(some),
        links=_links(some),
        launches=max((row.count for row in some), default=0),
        notes='\n'.join(f'<li>{html.escape(note)}</li>'
                        for note in standings.doubts(plan, some)),
        facts=_facts(results.environment))
    path.write_text(page, encoding='utf-8')
