"""What each workload of bench/peers is, in words: for --list, the page and the document.

SPDX-License-Identifier: MIT
"""

# By the beginning of the name; the order is that of the report.
ABOUT = {
    'chain': 'n pipes in a ring, through which `active` bytes travel: each callback reads a byte '
             'and writes one to another pipe. The classic benchmark of event loops. With `timers`, '
             'so many are pending, an hour away; the raw loop has none.',
    'idle': 'n watched eventfds, of which one is active: what the wait costs for those that do '
            'nothing.',
    'churn': 'The interest in 1000 descriptors is changed between turns, after a first round that '
             'is not timed: read, read and write, read again (modify); the same within one turn '
             '(undone); to stop watching for read and to begin again (pause; paused-undone).',
    'timers': 'n timers with random deadlines: to start them, to cancel half, to move each to '
              'later as a server does with the idle timeout of a connection on every message, and '
              'to have all fire.',
    'wake': 'One thread wakes the loop of another: to and fro (roundtrip), and again while it is '
            'already being woken (pending).',
    'storm': 'Threads that wake one loop as fast as they can.',
    'loops': 'Several loops in as many threads, each with a chain of its own.',
    'echo': 'An echo server on TCP over loopback, 64 bytes a message, and a client in another '
            'process that keeps `active` of n connections busy. CPU time of the server.',
    'accept': 'A listening socket and a storm of connections that come and go. CPU time of the '
              'server.',
    'mixed': 'n TCP connections of which `active` talk; each has an idle timeout that is moved on '
             'every message. CPU time of the server.',
    'latency': 'An echo server under a constant rate of requests, which does not slow down when '
               'the server does. Latency counts from when a request was meant to be sent, so that '
               'those that had to wait for others are not forgotten; every one is kept.',
    'pace': 'A loop that has something to do once in a millisecond, a byte to read (sparse) or a '
            'timer (timers), and sleeps in between.',
    'memory': 'Bytes of the heap for each watched descriptor or pending timer, the struct that the '
              'caller owns included, and of a loop without any.',
    'syscalls': 'The floor: what bare system calls take here, with nothing around them.',
}


def workload(name):
    """The one of the table above that a workload's name begins with."""
    return name.split('-')[0]
