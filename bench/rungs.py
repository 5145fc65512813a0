"""The backends, as rouse-measure lists them.

SPDX-License-Identifier: MIT
"""

import collections

# `place` is its place among all; `raw` says whether it has a raw loop; `why` is empty for one that
# works.
Rung = collections.namedtuple('Rung',
                              'place backend compiled works lesson fd_limit raw compiler why')

LESSON_NOTE = ('(lesson): a backend that is there to be understood, not to be used; measured in '
               'fewer rounds.')


def title(rung):
    """Its name, with a mark if it is a lesson."""
    return f'{rung.backend} (lesson)' if rung.lesson else rung.backend


def listing(names, last=' and '):
    """Names as one says them."""
    return last.join(filter(None, [', '.join(names[:-1]), *names[-1:]]))
