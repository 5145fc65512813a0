"""The examples of docs/examples that are no servers: what they print, line by line.

Usage: check_examples.py TIMER WAKE, the two programs. They use the machine's clock; what they print
does not depend on how fast it is, and nothing may come too early.

SPDX-License-Identifier: MIT
"""

import os
import sys
import time

import check

TIMER, WAKE = ([*check.WRAPPER, program] for program in sys.argv[1:3])


@check.case
def timer_beats_five_times_and_then_is_idle():
    began = time.monotonic()
    text = check.run(*TIMER)
    assert text == 'beat 1\nbeat 2\nbeat 3\nbeat 4\nbeat 5\nnothing for 50 ms\n', text
    assert time.monotonic() - began >= 0.15


@check.case
def wake_gets_every_result_in_order_and_ends():
    text = check.run(*WAKE)
    primes = [0, 2262, 4203, 6057, 7837, 9592]
    lines = [f'{primes[i + 1] - primes[i]} primes from {i * 20000}\n' for i in range(5)]
    assert text == ''.join(lines) + 'done\n', text


@check.case
def without_the_backend_they_fail_and_say_so():
    environment = dict(os.environ, ROUSE_BACKEND='nonesuch')
    for program in (TIMER, WAKE):
        assert 'no loop' in check.run(*program, status=1, env=environment)


check.main()
