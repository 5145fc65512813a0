"""What the lessons are made of, docs/lessons/lesson.h: what it prints, asks, counts and sees.

Usage: check_lesson_kit.py LESSON_KIT, the program of lesson_kit.c.

SPDX-License-Identifier: MIT
"""

import os
import pty
import signal
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


@check.case
def it_ends_with_who_adds_them_up():
    reads, writes = os.pipe()
    starts = 'import subprocess, sys; subprocess.run(sys.argv[1:])'
    with subprocess.Popen([sys.executable, '-c', starts, KIT, 'last', '--tally', str(writes)],
                          stdout=writes, pass_fds=[writes]) as starter, open(reads) as printed:
        os.close(writes)
        assert printed.readline().startswith('1. asleep: ')
        starter.kill()
        assert printed.read() == ''


@check.case
def what_cannot_be_written_is_a_failure():
    with open('/dev/full', 'w') as full:
        done = subprocess.run([KIT, 'guess'], stdout=full, stderr=subprocess.PIPE,
                              encoding='utf-8')
    assert done.returncode == 1, done
    assert done.stderr == 'asleep: not all that it said was written: No space left on device\n'


@check.case
def where_nobody_listens_any_more_it_ends_silently():
    reads, writes = os.pipe()
    os.close(reads)
    done = subprocess.run([KIT, 'guess'], stdout=writes, stderr=subprocess.PIPE)
    os.close(writes)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, b''), done


def on_a_terminal(answers, *options, **environment):
    """What a person sees who types these answers."""
    environment = {'TERM': 'xterm', 'NO_COLOR': ''} | environment
    try:
        terminal, other = pty.openpty()
    except OSError as error:
        raise check.Skip(f'no terminal can be made here: {error}') from error
    with subprocess.Popen([KIT, 'guess', *options], stdin=other, stdout=other,
                          env=os.environ | environment) as process:
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
def a_guess_is_one_letter_on_a_line():
    text = on_a_terminal('xxxxxxxxxxxxxxxa\nb a\nc\n1\n \tB \n')
    assert text.count('Your guess, a to b') == 5, text
    assert text.count('That is not one letter from a to b.\n') == 4, text
    assert '\nAs you guessed. That.\n' in text, text
    assert '\nThat.\n' in on_a_terminal('\x04')


@check.case
def with_yes_or_elsewhere_it_asks_nothing():
    for text in on_a_terminal('', '--yes'), check.run(KIT, 'guess'):
        assert 'Which?' not in text and '\nThat.\n' in text, text
        assert 'guess                                 -1\n' in text, text


@check.case
def colours_are_for_terminals():
    assert '\033[1m' in on_a_terminal('', '--yes')
    assert '\033' not in check.run(KIT, 'guess')
    assert '\033' not in on_a_terminal('', '--yes', NO_COLOR='1')
    assert '\033' not in on_a_terminal('', '--yes', TERM='dumb')
    assert 'Which?' in on_a_terminal('a\n', TERM='dumb')


@check.case
def only_the_option_says_which_backend():
    default = check.run(KIT, 'open')
    assert check.run(KIT, 'open', env=os.environ | {'ROUSE_BACKEND': 'nosuch'}) == default
    assert 'backend                               poll\n' in check.run(KIT, 'open', '--backend',
                                                                      'poll')


@check.case
def a_backend_that_is_none_is_answered_with_those_that_are():
    for name in ('nosuch', 'kqueue'):
        said = check.run(KIT, 'open', '--backend', name, status=2)
        assert f' {name}: ' in said and ' there are ' in said and ' poll' in said, said
        assert said.count('\n') == 1 and 'is missing' not in said, said
    assert 'name of a backend' in check.run(KIT, 'open', '--backend', '', status=2)


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
