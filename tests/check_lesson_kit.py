"""What the lessons are made of, docs/lessons/lesson.h: what it prints, asks, counts and sees.

Usage: check_lesson_kit.py LESSON_KIT, the program of lesson_kit.c.

SPDX-License-Identifier: MIT
"""

import os
import pty
import subprocess
import sys

import check

KIT = sys.argv[1]

SPOKEN = '''
A paragraph that is too long for one line of eighty columns, and is broken at
one of its spaces.

Another one.

== On the kernel of this machine ==

  a fact                                7
  a bar                                 ############              1.0
    one
      two
  holds: it is so

== In the model, step by step ==

  DOES NOT HOLD: it is otherwise
  not shown here: for want of a reason

asleep: 1 claims held, 1 did not, 1 could not be shown here
'''


@check.case
def what_it_says_is_laid_out_and_counted():
    text = check.run(KIT, 'speak', status=1)
    title, _, rest = text.partition('\n')
    assert title.startswith('1. asleep: '), title
    assert rest == SPOKEN, rest


def told(part):
    """The counts that run.py is given."""
    reads, writes = os.pipe()
    with subprocess.Popen([KIT, part, '--tally', str(writes)], stdout=subprocess.DEVNULL,
                          pass_fds=[writes]) as process:
        os.close(writes)
        with open(reads, encoding='ascii') as counts:
            return counts.read(), process.wait()


@check.case
def the_counts_are_told_to_who_adds_them_up():
    assert told('speak') == ('1 1 1\n', 1)
    assert told('must') == ('', 1)


def on_a_terminal(answers, *options):
    """What a person sees who types these answers."""
    try:
        terminal, other = pty.openpty()
    except OSError as error:
        raise check.Skip(f'no terminal can be made here: {error}') from error
    with subprocess.Popen([KIT, 'guess', *options], stdin=other, stdout=other) as process:
        os.close(other)
        os.write(terminal, answers.encode())
        text = b''
        try:
            while part := os.read(terminal, 4096):
                text += part
        except OSError:  # the other end is closed
            pass
        os.close(terminal)
    assert process.returncode == 0, text
    return text.decode().replace('\r\n', '\n')


@check.case
def on_a_terminal_it_asks_until_it_is_answered():
    text = on_a_terminal('z\nno\nb\n')
    assert 'Which?\n  a  this\n  b  that\n' in text, text
    assert text.count('Your guess, a to b') == 3, text
    assert '\nAs you guessed. That.\n' in text, text
    assert '\nNot your guess. That.\n' in on_a_terminal('a\n')
    assert '\nThat.\n' in on_a_terminal('\n')


@check.case
def with_yes_or_elsewhere_it_asks_nothing():
    for text in on_a_terminal('', '--yes'), check.run(KIT, 'guess'):
        assert 'Which?' not in text and '\nThat.\n' in text, text
        assert 'guess                                 -1\n' in text, text


@check.case
def colours_are_for_terminals():
    assert '\033[1m' in on_a_terminal('', '--yes')
    assert '\033' not in check.run(KIT, 'guess')


@check.case
def what_cannot_be_had_ends_it_in_words():
    assert 'asleep: a thing: Too many open files' in check.run(KIT, 'must', status=1)


@check.case
def what_it_sees_of_threads_is_so():
    assert '9 claims held, 0 did not' in check.run(KIT, 'look')


@check.case
def what_it_measures_is_so():
    assert '5 claims held, 0 did not' in check.run(KIT, 'cost')


@check.case
def what_strace_shows_is_what_was_called():
    text = check.run(KIT, 'trace')
    if 'not shown here' in text:
        raise check.Skip('there is no strace here, or it may not trace')
    assert '5 claims held, 0 did not' in text, text


check.main()
