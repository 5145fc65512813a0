"""Where the numbers of bench/peers come from: what environment.py says of the machine and the code,
which libraries stood beside it, what was asked for, and how still the machine was.

SPDX-License-Identifier: MIT
"""

import platform
import sys

import scipy

import environment
import program
import rows
from program import Failure

# The peers, and how to get those that are not there.
PEERS = {'libev': 'on Debian: apt-get install libev-dev',
         'libevent': 'on Debian: apt-get install libevent-dev',
         'libuv': 'on Debian: apt-get install libuv1-dev'}
SAME = ('commit', 'programs', 'kernel', 'processor', 'cores')


def _here():
    compiler = program.compiler()
    found = environment.environment(program.ROOT, program.BUILD, compiler, '')
    return {**found, 'programs': program.fingerprint()}


def origin(subjects, chosen, noise):
    """The first line of results.jsonl."""
    versions = {rows.maker(name): one['version'] for name, one in subjects.items()
                if one['version'] and rows.is_peer(name)}
    found = {**_here(), 'options': ' '.join(_words(chosen)), 'chosen': chosen,
             'libraries': versions, 'python': f'{platform.python_version()} ({sys.executable})',
             'scipy': scipy.__version__, 'noise': noise}
    return found


def _words(chosen):
    for name, value in chosen.items():
        if isinstance(value, list):
            yield f'--{name} {",".join(value)}'
        elif value:
            yield f'--{name}' if value is True else f'--{name} {value}'


def same_or_fail(then):
    """Half a run on one machine and half on another would be no run."""
    now = _here()
    other = [name for name in SAME if now[name] != then.get(name)]
    if other:
        raise Failure('--resume: this is not where the run was begun: '
                      + '; '.join(f'{name} was {then.get(name)} and is {now[name]}'
                                  for name in other), 2)
