"""The program rouse-measure: built, asked what it can measure, and run.

It is compiled as distributions compile the libraries that stand beside it: -O2, shared, with debug
information, so that none has an advantage that its users would not have.

SPDX-License-Identifier: MIT
"""

import contextlib
import hashlib
import json
import os
import pathlib
import re
import signal
import subprocess
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / 'build' / 'measure'
MEASURE = BUILD / 'bench' / 'rouse-measure'
SETUP = ['--buildtype=debugoptimized', '-Ddefault_library=shared', '-Dtests=disabled',
         '-Dbench=enabled', '-Dlessons=disabled']
PATIENCE = 300  # seconds; a launch that takes longer hangs


class Failure(RuntimeError):
    """What ends the command, in words; `status` is what it then ends with."""

    def __init__(self, message, status=1):
        super().__init__(message)
        self.status = status


def _quietly(*command):
    """Silent unless it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors='replace', check=False)
    if done.returncode != 0:
        raise Failure(f'{done.stdout}\n{" ".join(map(str, command[:2]))} failed, see above')


def _lacks_a_subject():
    return any(not (BUILD / 'bench' / f'subject_{source.stem}.so').exists()
               for source in (ROOT / 'bench' / 'subjects').glob('*.c'))


def build():
    """A library that was installed after the last time is found: meson would remember that it was
    not there."""
    _quietly('meson', 'setup', BUILD, ROOT, *SETUP)
    _quietly('meson', 'compile', '-C', BUILD)
    if _lacks_a_subject():
        _quietly('meson', 'configure', BUILD, '--clearcache')
        _quietly('meson', 'setup', '--reconfigure', BUILD, ROOT, *SETUP)
        _quietly('meson', 'compile', '-C', BUILD)


def listed():
    """What rouse-measure says of each subject on each of its backends."""
    done = subprocess.run([MEASURE, 'list'], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f'rouse-measure list failed: {done.stderr.strip()}')
    return [json.loads(line) for line in done.stdout.splitlines()]


def run(arguments, keep):
    """Measures a case; each sample is handed to `keep` as soon as its line is whole. Some workloads
    have processes of their own, which end with it."""
    with subprocess.Popen([MEASURE, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, start_new_session=True) as process:
        def end():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

        watchdog = threading.Timer(PATIENCE, end)
        watchdog.start()
        try:
            for line in process.stdout:
                if line.endswith('\n'):
                    keep(json.loads(line))
            error = process.stderr.read().strip()
            process.wait()
        except BaseException:
            end()
            raise
        finally:
            given_up = not watchdog.is_alive()
            watchdog.cancel()
    if process.returncode != 0:
        why = error or (f'it was not done in {PATIENCE} s' if given_up else 'ended by a signal')
        raise Failure(f'rouse-measure {" ".join(arguments)}: {why}')


def compiler():
    """Its name and version, as the build has written them down."""
    text = (BUILD / 'bench' / 'built.h').read_text(encoding='utf-8')
    return re.search(r'BENCH_COMPILER "(.*)"', text).group(1)


def fingerprint():
    """What tells these programs from others: a digest of the program, its subjects, the library."""
    digest = hashlib.sha256()
    for path in sorted([MEASURE, *BUILD.glob('bench/*.so'), *BUILD.glob('librouse.so.*.*')]):
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
