"""The table of the lessons, what they print, and their pages.

The table is in meson.build. A page is prose, but for its blocks: what the lesson prints below one
of its two headings stands between `<!-- run: kernel -->`, or `model`, and `<!-- end -->`. The index
is such a block of README.md.

SPDX-License-Identifier: MIT
"""

import ast
import collections
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent
HEADINGS = {'On the kernel of this machine': 'kernel', 'In the model, step by step': 'model'}
BLOCK = re.compile(r'^<!-- run: (\w+) -->\n(.*?)^<!-- end -->$', re.S | re.M)
CLAIM = re.compile(r'^  (?:holds|DOES NOT HOLD): (.*)$', re.M)

Lesson = collections.namedtuple('Lesson', 'number name shows words')


def lessons():
    """All lessons, in their order."""
    text = (HERE / 'meson.build').read_text(encoding='utf-8')
    rows = ast.literal_eval(re.search(r'^lessons = (\[.*?^\])', text, re.S | re.M).group(1))
    return [Lesson(number, *row) for number, row in enumerate(rows, 1)]


def page(lesson):
    return HERE / f'{lesson.name}.md'


def sections(printed):
    """What a lesson has printed below each of its headings: 'kernel' and 'model'."""
    parts = re.split(r'^== (.*) ==$', printed.rpartition('\n\n')[0], flags=re.M)
    return {HEADINGS[heading]: text.strip('\n') for heading, text in zip(parts[1::2], parts[2::2])
            if heading in HEADINGS}


def blocks(text):
    """The blocks of a page, by name."""
    return dict(BLOCK.findall(text))


def block_of(section):
    return f'```text\n{section}\n```\n'


def claims(section):
    """The words of its claims, whether they hold or not."""
    return CLAIM.findall(section)


def index():
    """The lessons with links to their pages."""
    return ''.join(f'{lesson.number}. [{lesson.name}]({lesson.name}.md): {lesson.shows}\n'
                   for lesson in lessons())


def fill(path, contents):
    """Writes the blocks of a page anew, those of `contents`."""
    def filled(match):
        name = match.group(1)
        return f'<!-- run: {name} -->\n{contents.get(name, match.group(2))}<!-- end -->'

    path.write_text(BLOCK.sub(filled, path.read_text(encoding='utf-8')), encoding='utf-8')
