"""docs/trace.md: what its server records is what the page shows, and what the page says of it.

Usage: check_trace.py ECHO SOURCE_ROOT, the example server. It runs behind trace and is met by the
client of the page; the lines must be those of the page but for times, processes and the numbers of
descriptors.

SPDX-License-Identifier: MIT
"""

import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

import check

ECHO = sys.argv[1]
ROOT = pathlib.Path(sys.argv[2])
PAGE = (ROOT / 'docs' / 'trace.md').read_text()


def serve(environment):
    return subprocess.Popen([*check.WRAPPER, ECHO, '0'], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding='utf-8',
                            env=dict(os.environ, **environment))


def failed(words):
    """What to raise when the server has not started."""
    missing = re.search(r'trace:epoll: (left out|needs) [^;]*', words)
    return check.Skip(missing.group()) if missing else AssertionError(words)


def record():
    """What is recorded when a client says hello, is answered, and leaves; and the process."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / 'echo.jsonl'
        server = serve({'ROUSE_BACKEND': 'trace:epoll', 'ROUSE_TRACE': str(file)})
        try:
            said = server.stdout.readline()
            if not said:
                raise failed(server.stderr.read())
            with socket.create_connection(('127.0.0.1', int(said.split()[2][:-1]))) as client:
                client.sendall(b'hello\n')
                assert client.recv(100) == b'hello\n'
            while '"drop"' not in file.read_text(): # that the client has left is news, too
                assert server.poll() is None, server.stderr.read()
                time.sleep(0.005)
            return file.read_text(), server.pid
        finally:
            server.kill()
            server.communicate()


def lines_of(text):
    return [json.loads(line) for line in text.splitlines()]


def story(lines):
    """Without what differs from one run to the next; descriptors are numbered as they appear."""
    numbers = {}
    return [{key: numbers.setdefault(value, len(numbers)) if key == 'fd' else value
             for key, value in line.items() if key not in ('time', 'pid', 'took')}
            for line in lines]


@check.case
def server_of_the_page_records_what_the_page_shows():
    shown = re.search(r'^\$ cat echo\.jsonl\n(.*?)^```', PAGE, re.S | re.M).group(1)
    text, process = record()
    lines = lines_of(text)
    assert story(lines) == story(lines_of(shown)), text
    assert all(list(line) == list(other) for line, other in zip(lines, lines_of(shown))), text
    assert {line['pid'] for line in lines} == {process}, text


@check.case
def times_are_in_order_and_a_wait_ends_with_its_events():
    lines = lines_of(record()[0])
    for before, line in zip(lines, lines[1:]):
        assert before['time'] <= line['time'], (before, line)
        if before['what'] == 'wait' and line['what'] == 'event':
            assert before['time'] + before['took'] == line['time'], (before, line)


@check.case
def page_knows_every_kind_of_line_and_every_field():
    table = PAGE[PAGE.index('| what | its fields |'):]
    rows = {row: set(re.findall(r'`(\w+)`', fields))
            for row, fields in re.findall(r'^\| `?(\w+)`? \| (.*)\|$', table, re.M)}
    lines = lines_of(record()[0])
    for line in lines:
        assert set(line) - {'what'} <= rows[line['what']] | rows['all'], line


@check.case
def breach_of_the_page_is_one_that_is_told():
    breach = re.search(r'^trace:mine: the backend broke "(.*)": (.*)$', PAGE, re.M)
    assert f'"{breach.group(1)}"' in (ROOT / 'backends' / 'trace_check.h').read_text()
    case = (ROOT / 'tests' / 'trace_backend.c').read_text()
    assert breach.group(2) in case.replace('IT "', '"fd 40, slot 3, generation 7, '), case


@check.case
def without_a_file_to_write_to_the_server_does_not_start():
    server = serve({'ROUSE_BACKEND': 'trace:epoll', 'ROUSE_TRACE': '/no/such/folder/echo.jsonl'})
    _, words = server.communicate()
    if 'ROUSE_TRACE=/no/such/folder/echo.jsonl' not in words:
        raise failed(words)
    assert server.returncode == 1, server.returncode


check.main()
