"""The page: one file that stands alone, without scripts. Its text is in report.html.

SPDX-License-Identifier: MIT
"""

import html
import pathlib
import string

import drawing
import findings
import fits
import pictures
import tables
from rungs import LESSON_NOTE

TEMPLATE = pathlib.Path(__file__).with_name('report.html')
STYLE = pathlib.Path(__file__).with_name('page.css')
NOTHING = '<p>Nothing of this was measured.</p>'
CUT = '<p><strong>The run was cut short; this is what there is.</strong></p>'


def notes(rungs, said):
    """What a reader must know of the tables of a workload."""
    return [*said] + [LESSON_NOTE] * any(rung.lesson for rung in rungs)


def _figure(picture, finding, caption):
    """A picture under what it shows; `finding` is only asked if there is one."""
    if picture is None:
        return NOTHING
    found = finding()
    title = f'<h3>{html.escape(found)}</h3>\n' if found else ''
    return f'<figure>\n{title}{picture}\n<figcaption>{caption}</figcaption>\n</figure>'


def _tables(made, said=()):
    body = '\n'.join(table.html() for table in made) or NOTHING
    said = ''.join(f'<li>{html.escape(note)}</li>' for note in said)
    return f'{body}\n<ul class="notes">{said}</ul>' if said else body


def _headlines(found):
    return '\n'.join(f'<li style="border-color: {drawing.colour(one.rung)}">'
                     f'<strong>{html.escape(fits.sentence(one))}</strong><br>'
                     f'<small>{html.escape(fits.intervals(one))}</small></li>' for one in found)


def _facts(environment):
    return '\n'.join(f'<tr><th scope="row">{html.escape(name.replace("_", " "))}</th>'
                     f'<td>{html.escape(str(value))}</td></tr>'
                     for name, value in environment.items() if value)


def _figures(samples, rungs, found):
    return {
        'turn': _figure(
            pictures.turn(samples, rungs, found), lambda: findings.turn(found),
            'Both scales are logarithmic. The points are measured, with the 95 % intervals of '
            'their medians; the lines are a + b N. A line that rises is a wait whose cost grows '
            'with what is watched. Lessons are dashed.'),
        'work': _figure(
            pictures.work(samples, rungs), lambda: findings.work(samples, rungs),
            'Counted, not timed: the library counts what it hands to the kernel and what it is '
            'handed back. These numbers do not depend on the machine. A backend that copies '
            'nothing is not drawn.'),
        'tax': _figure(
            pictures.tax(samples, rungs), lambda: findings.tax(samples, rungs),
            '<code>chain</code> and <code>echo</code>: the tax with its 95 % interval. Left of the '
            'line the library is cheaper than the raw loop.'),
        'tax_by_n': _figure(
            pictures.tax_by_n(samples, rungs), lambda: findings.tax_by_n(samples, rungs),
            '<code>idle</code>: the tax against N. At 1 the library is free.'),
        'against': _figure(
            pictures.against(samples, rungs), lambda: findings.against(samples, rungs),
            'Left of the line a program on the library is faster than a loop on epoll written by '
            'hand. Level: one is told as long as a pipe is ready; edge: when it becomes so. Beside '
            'an arrow stands what is off the scale.'),
        'memory': _figure(
            pictures.memory(samples, rungs), lambda: findings.memory(samples, rungs),
            'Both scales are logarithmic. A thread reserves addresses for a stack, and is given '
            'memory for what it touches of it.'),
        'asleep': _figure(
            pictures.asleep(samples, rungs), lambda: findings.asleep(samples, rungs),
            'A process that watches the largest N of the table below, on which nothing happens.'),
    }


def write(path, samples, rungs, plan, found, environment, whole):
    """Writes the page of what has been measured; `whole` if that is all that was to be."""
    def said(workload):
        return notes(rungs, plan.notes[workload])

    page = string.Template(TEMPLATE.read_text(encoding='utf-8')).substitute(
        _figures(samples, rungs, found),
        style=STYLE.read_text(encoding='utf-8'),
        headlines=_headlines(found),
        cut='' if whole else CUT,
        idle_tables=_tables(tables.idle(samples, rungs), said('idle')),
        work_tables=_tables(tables.work(samples, rungs), [tables.WORK_NOTE]),
        chain_tables=_tables(tables.chain(samples, rungs), said('chain')),
        against_tables=_tables(tables.against(samples, rungs)),
        hold_tables=_tables(tables.hold(samples, rungs), said('hold')),
        echo_tables=_tables(tables.echo(samples, rungs), said('echo')),
        launches=plan.effort.launches,
        rounds=plan.effort.rounds,
        echo_rounds=plan.effort.echo_rounds,
        lesson_launches=plan.lesson.launches,
        lesson_rounds=plan.lesson.rounds,
        slice_ms=f'{plan.effort.slice_us / 1000:g}',
        facts=_facts(environment))
    path.write_text(page, encoding='utf-8')
