"""io_uring refused by the kernel: a list of backends goes on to the next and says why.

Usage: check_fallback.py PROGRAM BACKEND...; the program opens a loop and prints what it runs on,
the rest are the backends that it was built with. The kernel is made to refuse by strace, which
changes what the system call returns to a process that it traces.

SPDX-License-Identifier: MIT
"""

import os
import re
import shutil
import subprocess
import sys

import check

PROGRAM, *BACKENDS = sys.argv[1:]


def next_backend():
    """One that is chosen by default, to stand behind io_uring in a list."""
    if 'io_uring' not in BACKENDS:
        raise check.Skip('io_uring is not compiled in')
    for name in ('epoll', 'poll', 'select'):
        if name in BACKENDS:
            return name
    raise check.Skip('there is no other backend to go on with')


def traced(names, *options, status=0):
    """What the program prints on the backends of these names (None: by default), under strace."""
    strace = shutil.which('strace')
    if strace is None:
        raise check.Skip('strace is not installed')
    trial = subprocess.run([strace, '-f', '-e', 'trace=none', 'true'], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, encoding='utf-8')
    if trial.returncode != 0:
        raise check.Skip(f'strace may not trace here: {trial.stdout.strip()}')
    environment = {name: value for name, value in os.environ.items() if name != 'ROUSE_BACKEND'}
    if names is not None:
        environment['ROUSE_BACKEND'] = names
    return check.run(strace, '-f', '-qq', '-e', 'trace=io_uring_setup', *options, PROGRAM,
                     status=status, env=environment)


def refused(names, error, status=0):
    return traced(names, '-e', f'inject=io_uring_setup:error={error}', status=status)


def goes_on_after(error, *words):
    name = next_backend()
    text = refused(f'io_uring,{name}', error)
    assert f'ran on {name}\n' in text, text
    line = re.search(r'^io_uring: io_uring_setup: .*$', text, re.M)
    assert line and all(word in line.group() for word in words), text


@check.case
def forbidden_by_seccomp_or_sysctl():
    goes_on_after('EPERM', 'not permitted', 'seccomp', 'kernel.io_uring_disabled')


@check.case
def not_in_this_kernel():
    goes_on_after('ENOSYS', '5.13')


@check.case
def no_memory_that_may_be_locked():
    goes_on_after('ENOMEM', 'ulimit -l')


@check.case
def a_single_name_fails_in_words():
    next_backend()
    text = refused('io_uring', 'EPERM', status=1)
    assert 'io_uring: io_uring_setup: not permitted' in text and 'ran on' not in text, text


@check.case
def a_list_runs_on_rings_where_they_are_permitted():
    text = traced(f'io_uring,{next_backend()}')
    if re.search(r'io_uring_setup\(.* = -1 ', text):
        raise check.Skip('the kernel of this machine refuses rings')
    assert text.endswith('ran on io_uring\n'), text


@check.case
def by_default_no_ring_is_asked_for():
    next_backend()
    text = traced(None)
    assert 'ran on ' in text and 'io_uring' not in text, text


check.main()
