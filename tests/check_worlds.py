"""The model and the kernel are played the same scripts, and each judges the other.

Usage: check_worlds.py REAL MODEL BACKEND...; REAL is the differential test in the world of the
operating system, MODEL the same in that of rouse/sim.h, and the backends are those that have a
model. Both tell their plays line by line (differential_tell.c), and must tell the same: who was
called in which turn, in which order and with what, and what each operation gave. Where a play has
come to what is each world's own, as how much fits into the buffers of a socket, the rest of it is
not compared.

A difference is a fault of one of the two, and the kernel is always right about itself. The script
is made small and printed; `REAL --tell 1 --script FILE --backend NAME` plays it.

SPDX-License-Identifier: MIT
"""

import os
import re
import sys
import tempfile

import check

REAL, MODEL, *BACKENDS = sys.argv[1:]
PLAYS = 1000
FIRST_SEED = 1


def tell(program, backend, *options):
    """The plays of a program on a backend: pairs of a script and its notes, as lists of lines."""
    text = check.run(*check.WRAPPER, program, '--backend', backend, *options)
    plays = [play.split('play:\n') for play in text.split('script:\n')[1:]]
    return [(script.splitlines(), notes.splitlines()) for script, notes in plays]


def turn(note):
    return int(re.match(r'turn (\d+):', note).group(1))


def certain(both):
    """What of two lists of notes comes before the first turn in which one of them is in doubt."""
    doubts = [turn(note) for notes in both for note in notes if note.endswith('in doubt')]
    end = min(doubts, default=sys.maxsize)
    return [[note for note in notes if turn(note) < end] for notes in both]


def difference(both):
    """The first notes in which two plays differ; None if they do not."""
    one, other = certain(both)
    for notes in zip(one, other):
        if notes[0] != notes[1]:
            return notes
    longer = max(one, other, key=len)
    return None if len(one) == len(other) else (longer[min(len(one), len(other))], 'nothing')


def replay(script, pair):
    """The difference that a script makes; None also if one of them does not get to its end."""
    with tempfile.NamedTemporaryFile('w', suffix='.script') as file:
        file.write('\n'.join(script) + '\n')
        file.flush()
        try:
            both = [tell(program, backend, '--tell', 1, '--script', file.name)[0][1]
                    for program, backend in pair]
        except AssertionError:
            return None
    return difference(both)


def shrunk(script, pair):
    """What is left of a script when every operation is gone that makes no difference."""
    piece = len(script) // 2
    while piece > 0:
        before = len(script)
        for start in range(len(script) - piece, -piece, -piece):
            rest = script[:max(start, 0)] + script[start + piece:]
            if rest and replay(rest, pair):
                script = rest
        if piece > 1 or len(script) == before:
            piece //= 2
    return script


def first_difference(pair):
    """Plays on both of a pair. The first script that makes a difference, and how many notes could
    be compared up to there."""
    options = ['--tell', PLAYS, '--seed', FIRST_SEED]
    compared = 0
    for one, other in zip(*(tell(program, backend, *options) for program, backend in pair)):
        assert one[0] == other[0], 'the two have made different scripts of one seed'
        if difference((one[1], other[1])):
            return one[0], compared
        compared += len(certain((one[1], other[1]))[0])
    return None, compared


def agree(backend):
    pair = ((REAL, backend), (MODEL, f'sim:{backend}'))
    script, compared = first_difference(pair)
    if script:
        script = shrunk(script, pair)
        raise AssertionError('\n'.join(
            [f'{backend} and its model differ:', *map(str, replay(script, pair)), *script]))
    assert compared > 40 * PLAYS, f'only {compared} notes could be compared'
    print(f'{backend} and its model did the same {compared} times in {PLAYS} plays')


for name in BACKENDS:
    check.case(lambda name=name: agree(name), f'{name}_and_its_model_do_the_same')


@check.case
def another_model_is_found_out():
    """Else this would find nothing whatever they did."""
    if not {'epoll', 'poll'} <= set(BACKENDS):
        raise check.Skip('epoll, poll or a model of them is not compiled in')
    script, _ = first_difference(((REAL, 'epoll'), (MODEL, 'sim:poll')))
    assert script


if __name__ == '__main__':
    os.environ.pop('ROUSE_BACKEND', None)
    check.main()
