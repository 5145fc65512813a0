"""A line that says how far it is.

SPDX-License-Identifier: MIT
"""

import sys
import time


class Progress:
    """One line on stderr that is overwritten; nothing where that is no terminal."""

    def __init__(self):
        self.shown = sys.stderr.isatty()
        self.began = time.monotonic()

    def show(self, share, left, text):
        """`share` of the work is done, and `left` seconds are to come, or None."""
        if not self.shown:
            return
        spent = time.monotonic() - self.began
        words = '' if left is None else f', {minutes(left)} left'
        print(f'\r\033[K{100 * share:3.0f} %  {minutes(spent)}{words}  {text}', end='',
              file=sys.stderr, flush=True)

    def clear(self):
        if self.shown:
            print('\r\033[K', end='', file=sys.stderr, flush=True)


def minutes(seconds):
    return f'{seconds:.0f} s' if seconds < 100 else f'{seconds / 60:.0f} min'
