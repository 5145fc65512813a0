"""Real clients against an echo server: the one in docs/examples, and the one that README.md shows.

Usage: check_server.py PROGRAM, which is given a port. ROUSE_BACKEND, which it inherits, says on
which backend it runs. Nothing here measures time: a server that does not answer is a case that
hangs, and the runner ends it.

SPDX-License-Identifier: MIT
"""

import contextlib
import os
import pathlib
import resource
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

import check

PROGRAM = [*check.WRAPPER, sys.argv[1]]
SAYS_ITS_PORT = pathlib.Path(sys.argv[1]).stem == 'example_echo'

# How it is ended, and its exit status then. Wine's own server may not survive when a program that
# waits for sockets is killed, but ends it well after a Ctrl-C.
WINDOWS = sys.argv[1].endswith('.exe')
END, STATUS = (signal.SIGINT, 0) if WINDOWS else (signal.SIGTERM, -signal.SIGTERM)


class Server:
    """A server that runs. `port` is where; ends with an assertion if it ended by itself."""

    def __init__(self, descriptors=None):
        def limit():
            if descriptors:
                resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
        self.errors = None
        self.port = 0 if SAYS_ITS_PORT else free_port()
        self.process = subprocess.Popen([*PROGRAM, str(self.port)], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        preexec_fn=limit, encoding='utf-8')
        self.said = self.process.stdout.readline() if SAYS_ITS_PORT else ''
        if SAYS_ITS_PORT and self.said:
            self.port = int(self.said.split()[2].rstrip(','))

    def connect(self):
        """A client. A server that does not say its port may not be listening yet."""
        while True:
            try:
                client = socket.create_connection(('127.0.0.1', self.port))
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return client
            except ConnectionRefusedError:
                assert self.process.poll() is None and not SAYS_ITS_PORT, self.end()
                time.sleep(0.005)

    def descriptors(self):
        """How many it has open; None where nobody tells. What Windows sockets hold is Wine's."""
        folder = f'/proc/{self.process.pid}/fd'
        if WINDOWS or not os.path.isdir(folder):
            return None
        return len(os.listdir(folder))

    def end(self):
        """Ends it and returns what it wrote to stderr; asserts that it was still well."""
        if self.errors is None:
            self.left = self.process.poll() is not None
            if not self.left:
                self.process.send_signal(END)
            _, self.errors = self.process.communicate()
        assert not self.left and self.process.returncode == STATUS, \
            f'the server ended with {self.process.returncode}: {self.errors}'
        assert 'Sanitizer' not in self.errors and 'runtime error' not in self.errors, self.errors
        return self.errors


@contextlib.contextmanager
def serving(**options):
    server = Server(**options)
    try:
        yield server
    except BaseException:
        server.process.kill()
        server.process.communicate()
        raise
    server.end()


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def receive(client, count):
    data = b''
    while len(data) < count:
        more = client.recv(count - len(data))
        assert more, f'the stream ended after {len(data)} of {count} bytes'
        data += more
    return data


def echoes(client, data=b'hello\n'):
    client.sendall(data)
    assert receive(client, len(data)) == data


def reset(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    client.close()


def stuff(client):
    """Sends until neither the server nor the kernel takes more: it waits for us to read."""
    client.setblocking(False)
    sent = 0
    quiet = 0
    while quiet < 20:
        try:
            sent += client.send(b'x' * 65536)
            quiet = 0
        except BlockingIOError:
            quiet += 1
            time.sleep(0.002)
    client.setblocking(True)
    return sent


@check.case
def it_echoes_line_by_line():
    with serving() as server, server.connect() as client:
        for i in range(100):
            echoes(client, b'line %d\n' % i)


@check.case
def a_client_that_shuts_its_side_down_gets_the_rest_and_the_end():
    with serving() as server, server.connect() as client:
        data = os.urandom(50000)
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        assert receive(client, len(data)) == data
        assert client.recv(1) == b''


@check.case
def short_writes_lose_nothing():
    """4 MB to a client that reads only when its own sends block: the server's writes fall short."""
    data = os.urandom(1 << 16) * 64
    with serving() as server, server.connect() as client, selectors.DefaultSelector() as selector:
        client.setblocking(False)
        selector.register(client, selectors.EVENT_READ | selectors.EVENT_WRITE)
        sent, got = 0, bytearray()
        while len(got) < len(data):
            ready = selector.select()[0][1]
            if sent < len(data) and ready & selectors.EVENT_WRITE:
                sent += client.send(data[sent:sent + 1000000])
                if sent == len(data):
                    selector.modify(client, selectors.EVENT_READ)
            elif ready & selectors.EVENT_READ:
                got += client.recv(1000000)
        assert bytes(got) == data


@check.case
def two_hundred_clients_at_once():
    with serving() as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(200)]
        for number, client in enumerate(clients):
            client.sendall(b'client %d' % number)
        for number, client in enumerate(clients):
            data = b'client %d' % number
            assert receive(client, len(data)) == data


@check.case
def a_client_that_resets_ends_its_connection_and_nothing_else():
    with serving() as server, server.connect() as other:
        echoes(other)
        before = server.descriptors()
        client = server.connect()
        stuff(client)
        reset(client)
        echoes(other)
        with server.connect() as late:
            echoes(late)
        while server.descriptors() != before:
            time.sleep(0.005)


@check.case
def a_client_that_is_killed_ends_its_connection_and_nothing_else():
    script = ('import socket, sys\n'
              'client = socket.create_connection(("127.0.0.1", int(sys.argv[1])))\n'
              'client.sendall(b"x" * 10000)\n'
              'print("sent", flush=True)\n'
              'while True: client.sendall(b"x" * 10000)\n')
    with serving() as server, server.connect() as other:
        echoes(other)
        before = server.descriptors()
        with subprocess.Popen([sys.executable, '-c', script, str(server.port)],
                              stdout=subprocess.PIPE) as client:
            client.stdout.readline()
            client.kill()
        echoes(other)
        while server.descriptors() != before:
            time.sleep(0.005)
        echoes(other)


def shell_client(port):
    """A command for a pipe that sends what it reads, and what comes back until the server ends."""
    about = subprocess.run('nc -h 2>&1', shell=True, stdout=subprocess.PIPE).stdout
    if shutil.which('nc') and b'-N' in about: # -N: shut our side down at the end of the input
        return ['nc', '-N', '127.0.0.1', str(port)]
    if shutil.which('socat'):
        return ['socat', '-t', '60', '-', f'TCP:127.0.0.1:{port}']
    raise check.Skip('neither an nc that knows -N nor socat is installed')


@check.case
def hello_through_nc_or_socat():
    with serving() as server:
        server.connect().close()
        done = subprocess.run(shell_client(server.port), input=b'hello\n', stdout=subprocess.PIPE,
                              check=True)
        assert done.stdout == b'hello\n', done.stdout


def without_descriptors_it_waits_for_a_client_to_leave():
    """Room for a few clients only: the others wait in the queue until one of these has left."""
    if WINDOWS:
        raise check.Skip('the limit would be that of Wine')
    with serving(descriptors=16) as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(30)]
        for client in clients:
            client.sendall(b'x')
        assert 'waiting until a client leaves' in server.process.stderr.readline()
        with selectors.DefaultSelector() as selector:
            for client in clients:
                selector.register(client, selectors.EVENT_READ)
            while selector.get_map():
                client = selector.select()[0][0].fileobj
                assert client.recv(2) == b'x'
                selector.unregister(client)
                client.close()


def it_says_which_backend_it_runs_on():
    with serving() as server:
        assert server.said.split()[-1] == os.environ['ROUSE_BACKEND'], server.said


def an_unknown_backend_ends_it_with_the_names_that_there_are():
    environment = dict(os.environ, ROUSE_BACKEND='nonesuch')
    text = check.run(*PROGRAM, '0', status=1, env=environment)
    assert 'nonesuch' in text and os.environ['ROUSE_BACKEND'] in text, text


def a_port_that_is_none_ends_it_with_how_to_use_it():
    for word in ('', 'http', '-1', '65536', '7x'):
        assert 'usage' in check.run(*PROGRAM, word, status=2)


def a_port_in_use_ends_it_with_the_reason():
    with serving() as server:
        text = check.run(*PROGRAM, str(server.port), status=1)
        assert 'is the port in use' in text, text


if SAYS_ITS_PORT:
    check.case(without_descriptors_it_waits_for_a_client_to_leave)
    check.case(it_says_which_backend_it_runs_on)
    check.case(an_unknown_backend_ends_it_with_the_names_that_there_are)
    check.case(a_port_that_is_none_ends_it_with_how_to_use_it)
    check.case(a_port_in_use_ends_it_with_the_reason)
check.main()
