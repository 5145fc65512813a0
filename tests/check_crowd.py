"""docs/examples/crowd.c: ten thousand simulated clients and a million timers, each through a day.
And docs/examples/rehearsal.c, which tests the same server with two.

Usage: check_crowd.py REHEARSAL CROWD MODEL...; the models are the backends sim:NAME that are built.
What the programs print is compared, and never how long they take.

SPDX-License-Identifier: MIT
"""

import subprocess
import sys

import check

REHEARSAL, CROWD, *MODELS = sys.argv[1:]
DAY = 24 * 3600


def crowd(*options, status=0):
    """What it prints; and what it writes to stderr, which is different each time."""
    done = subprocess.run([*check.WRAPPER, CROWD, *map(str, options)], encoding='utf-8',
                          stdin=subprocess.DEVNULL, capture_output=True)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout, done.stderr


def table(text):
    """The rows: name to the numbers of the clients and of the timers."""
    rows = [line.rsplit(maxsplit=2) for line in text.splitlines()[1:]]
    return {name.strip(): (int(clients), int(timers)) for name, clients, timers in rows}


def check_conserved(rows):
    clients = {name: numbers[0] for name, numbers in rows.items()}
    assert clients['bytes sent'] == \
        clients['bytes that came back'] + clients.get('bytes to a closed server', 0), clients
    assert clients['connections'] == clients['accepted'], clients
    assert clients['connections'] > clients['closed after an hour'] > 0, clients
    assert clients['messages that came back'] > 20 * clients['how many'], clients


@check.case
def the_smallest_test_of_a_server_finds_it_well():
    assert check.run(*check.WRAPPER, REHEARSAL) == 'two guests, and an hour\n'


@check.case
def a_day_of_ten_thousand_clients_and_a_million_timers_is_the_same_twice():
    text, _ = crowd('--seed', 1)
    rows = table(text)
    check_conserved(rows)
    assert rows['how many'] == (10000, 1000000), rows
    assert DAY <= rows['virtual seconds'][0] <= DAY + 3 * 3600, rows
    assert DAY - 100 < rows['virtual seconds'][1] <= DAY, rows
    assert 'late by at most, ns' not in rows, 'a timer is late, though time stands still'
    assert crowd('--seed', 1)[0] == text


@check.case
def another_seed_is_another_day():
    days = [crowd('--seed', seed, '--clients', 100, '--timers', 100)[0] for seed in (1, 1, 2)]
    assert days[0] == days[1] != days[2]


@check.case
def every_model_conserves_what_is_sent():
    for model in MODELS:
        check_conserved(table(crowd('--backend', model, '--clients', 300, '--timers', 1000)[0]))


@check.case
def a_backend_that_has_other_descriptors_is_refused():
    for name in ('select', 'nonesuch'):
        assert 'no loop' in crowd('--backend', name, status=1)[1]


check.main()
