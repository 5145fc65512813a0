"""The page: one file that stands alone, without scripts. Its text is in report.html.

SPDX-License-Identifier: MIT
"""

import html
import pathlib
import string

import fits
import pictures
import tables

TEMPLATE = pathlib.Path(__file__).with_name('report.html')
NOTHING = '<p>Nothing of this was measured.</p>'
CUT = '<p><strong>The run was cut short; this is what there is.</strong></p>'


def _figure(picture, caption):
    if picture is None:
        return NOTHING
    return f'<figure>\n{picture}\n<figcaption>{caption}</figcaption>\n</figure>'


def _tables(made, notes=()):
    body = '\n'.join(table.html() for table in made) or NOTHING
    said = ''.join(f'<li>{html.escape(note)}</li>' for note in notes)
    return f'{body}\n<ul class="notes">{said}</ul>' if said else body


def _headlines(found, backends):
    return '\n'.join(f'<li style="border-color: {pictures.colour(backends, one.backend)}">'
                     f'<strong>{html.escape(fits.sentence(one))}</strong><br>'
                     f'<small>{html.escape(fits.intervals(one))}</small></li>' for one in found)


def _facts(environment):
    return '\n'.join(f'<tr><th scope="row">{html.escape(name.replace("_", " "))}</th>'
                     f'<td>{html.escape(str(value))}</td></tr>'
                     for name, value in environment.items() if value)


def write(path, samples, backends, plan, found, environment, whole):
    """Writes the page of what has been measured; `whole` if that is all that was to be."""
    page = string.Template(TEMPLATE.read_text(encoding='utf-8')).substitute(
        headlines=_headlines(found, backends),
        cut='' if whole else CUT,
        turn=_figure(
            pictures.turn(samples, backends, found),
            'Both scales are logarithmic. A line that rises is a wait whose cost grows with what '
            'is watched; a level one is a wait that does not care. The bars are the 95 % intervals '
            'of the medians, most of them smaller than the points.'),
        work=_figure(
            pictures.work(samples, backends),
            'Counted, not timed: the library counts what it hands to the kernel and what it is '
            'handed back. These numbers do not depend on the machine.'),
        tax=_figure(
            pictures.tax(samples, backends),
            '<code>chain</code> and <code>c10k</code>: the tax with its 95 % interval. Left of the '
            'line the library is cheaper than the raw loop.'),
        tax_by_n=_figure(pictures.tax_by_n(samples, backends),
                         '<code>idle</code>: the tax against N. At 1 the library is free.'),
        idle_tables=_tables(tables.idle(samples, backends), plan.notes['idle']),
        work_tables=_tables(tables.work(samples, backends), [tables.WORK_NOTE]),
        chain_tables=_tables(tables.chain(samples, backends), plan.notes['chain']),
        c10k_tables=_tables(tables.c10k(samples, backends), plan.notes['c10k']),
        rounds=plan.effort.rounds,
        pairs=plan.effort.pairs,
        slice_ms=f'{plan.effort.slice_us / 1000:g}',
        facts=_facts(environment))
    path.write_text(page, encoding='utf-8')
