"""What every test in Python imports: cases, told in the words that cmocka uses for those in C.

A case is a function with the decorator `case`; it fails by raising, `AssertionError` or any other
exception, and is skipped by raising `Skip` with the reason. `tests/run` asks for the names of the
cases (ROUSE_TEST_LIST) and may run only some of them (ROUSE_TEST_CASES), as check.h has it for C.

SPDX-License-Identifier: MIT
"""

import os
import subprocess
import sys
import traceback

cases = {}

# What runs a program that was built for another system or processor; meson says it.
WRAPPER = os.environ.get('MESON_EXE_WRAPPER', '').split()


class Skip(Exception):
    """The case cannot run here; the text says why."""


def case(function, name=None):
    cases[name or function.__name__] = function
    return function


def run(*command, status=0, **options):
    """Runs a command and returns what it printed; another exit status is a failure of the case."""
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          encoding='utf-8', errors='replace', **options)
    assert done.returncode == status, \
        f'{" ".join(map(str, command))}\nended with {done.returncode}:\n{done.stdout}'
    return done.stdout


def attempt(name):
    print(f'[ RUN      ] {name}', flush=True)
    try:
        cases[name]()
    except Skip as reason:
        print(f'skip: {reason}\n[  SKIPPED ] {name}', flush=True)
        return True
    except Exception:
        traceback.print_exc(file=sys.stdout)
        print(f'[  FAILED  ] {name}', flush=True)
        return False
    print(f'[       OK ] {name}', flush=True)
    return True


def main():
    if 'ROUSE_TEST_LIST' in os.environ:
        print('\n'.join(cases))
        return
    only = os.environ.get('ROUSE_TEST_CASES')
    names = only.split(',') if only else list(cases)
    results = [attempt(name) for name in names if name in cases]
    sys.exit(0 if all(results) else 1)
