"""How tests/targets/boot.py runs commands in a guest, with a shell of this machine in its place.

Usage: check_boot.py. What the shell does is what the script init has each of a guest's ports do.

SPDX-License-Identifier: MIT
"""

import contextlib
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading

import check
from targets import boot

INIT = pathlib.Path(boot.__file__).with_name('init').read_text()
PORT = INIT[INIT.index('    while IFS'):INIT.index('}\n', INIT.index('    while IFS'))]


def carry(door, shell, ended):
    """Carries what is said between a shell and those who come to the door, one after another."""
    visitor = None
    while True:
        ready, _, _ = select.select([visitor or door, shell.stdout, ended], [], [])
        if ended in ready:
            break
        if shell.stdout in ready:
            said = os.read(shell.stdout.fileno(), 4096)
            with contextlib.suppress(OSError):
                if visitor:
                    visitor.sendall(said)
        if door in ready:
            visitor, _ = door.accept()
        elif visitor in ready:
            asked = b''
            with contextlib.suppress(OSError):
                asked = visitor.recv(4096)
            shell.stdin.write(asked)
            if not asked:
                visitor = visitor.close()
    if visitor:
        visitor.close()


@contextlib.contextmanager
def guest():
    """A guest with one port; yields the words before a command, and what makes the guest go."""
    if not shutil.which('setsid'):
        raise check.Skip('there is no setsid here, which a guest has of busybox')
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as door, \
            subprocess.Popen(['sh', '-c', PORT], bufsize=0, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as shell:
        for name in ('qemu', 'console'):
            pathlib.Path(folder, name).write_text(f'{name} said this\n')
        door.bind(f'{folder}/door')
        door.listen()
        ended, end = socket.socketpair()
        carrier = threading.Thread(target=carry, args=(door, shell, ended))
        carrier.start()

        def go():
            end.close()
            carrier.join()
            door.close()

        try:
            yield [sys.executable, '-B', boot.__file__, folder], go
        finally:
            go()
            ended.close()
            shell.stdin.write(b'kill -9 -$job\n')
            shell.stdin.close()


def said(words, *command, **variables):
    """The status and the output of a command in a guest."""
    done = subprocess.run([*words, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          encoding='utf-8', env={**os.environ, **variables}, cwd='/')
    return done.returncode, done.stdout


@check.case
def status_signal_and_output_are_those_of_the_command():
    with guest() as (words, _):
        assert said(words, 'sh', '-c', 'echo out; echo err >&2; exit 7') == (7, 'out\nerr\n\n')
        assert said(words, 'sh', '-c', 'printf part; kill -9 $$')[0] == -signal.SIGKILL
        assert said(words, 'sh', '-c', 'exit 255')[0] == 255
        assert said(words, 'printf', '%s\\n', "a 'quoted' $word") == (0, "a 'quoted' $word\n\n")


@check.case
def command_has_the_directory_and_the_variables_of_here():
    with guest() as (words, _):
        assert said(words, 'pwd') == (0, '/\n\n')
        assert said(words, 'sh', '-c', 'echo "$ROUSE_SAID"', ROUSE_SAID='a b') == (0, 'a b\n\n')


@check.case
def who_comes_next_ends_what_still_runs():
    with guest() as (words, _), tempfile.TemporaryDirectory() as folder:
        os.mkfifo(f'{folder}/held')
        holds = f'trap "" TERM HUP; exec 3>{folder}/held; sleep 1000000'
        killed = subprocess.Popen([*words, 'sh', '-c', holds])
        with open(f'{folder}/held', encoding='utf-8') as held:
            killed.kill()
            killed.wait()
            assert said(words, 'echo', 'next') == (0, 'next\n\n')
            assert held.read() == ''  # and does not block: nobody holds the other end


@check.case
def guest_that_goes_is_told_with_its_last_words():
    with guest() as (words, go):
        running = subprocess.Popen([*words, 'sh', '-c', 'echo begun; sleep 1000000'],
                                   stdout=subprocess.PIPE, encoding='utf-8')
        assert running.stdout.readline() == 'begun\n'
        go()
        told = 'the guest is gone: qemu said this\nconsole said this\n'
        assert running.stdout.read() == told
        assert running.wait() == 1
        assert said(words, 'true') == (1, told)


check.main()
