"""The backends of rouse, as rouse-measure lists them.

SPDX-License-Identifier: MIT
"""

import collections

# `place` is its place among those that are compiled in; `raw` says whether it has a raw loop that
# works here; `why` is empty for one that works.
Rung = collections.namedtuple('Rung', 'place backend built works lesson fd_limit raw why')

LESSON_NOTE = ('(lesson): a backend that is there to be understood, not to be used; measured in '
               'fewer rounds.')


def rungs(listed):
    """Those among all subjects."""
    subjects = {one['subject']: one for one in listed}
    found = []
    for name, one in subjects.items():
        maker, backend = name.split(':')
        if maker == 'rouse':
            raw = subjects.get(f'raw:{backend}', {'works': False})['works']
            found.append(Rung(sum(rung.built for rung in found), backend, one['built'],
                              one['works'], one['lesson'], one['fd_limit'], raw, one['why']))
    return found


def title(rung):
    """Its name, with a mark if it is a lesson."""
    return f'{rung.backend} (lesson)' if rung.lesson else rung.backend


def listing(names, last=' and '):
    """Names as one says them."""
    return last.join(filter(None, [', '.join(names[:-1]), *names[-1:]]))
