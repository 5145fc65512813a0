"""What an event takes, counted and not timed: instructions outside the kernel, system calls, waits.

Two runs of different length, one subject alone, under callgrind and under strace; the difference,
divided by the events that one has more. What opens and closes the loop falls out. Unlike time it is
the same on every run, so it shows what a change is worth, whatever else the machine does.

SPDX-License-Identifier: MIT
"""

import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import tempfile

from program import MEASURE, Failure

LEAST = 1000   # events of the shorter run
TIMES = 6      # the longer has so many times as many
# The system calls by which a loop waits.
WAITS = ('epoll_wait', 'epoll_pwait', 'epoll_pwait2', 'poll', 'ppoll', 'select', 'pselect6',
         'io_uring_enter')
TOOLS = {'valgrind': 'instructions', 'strace': 'system calls and waits'}


def processors():
    """How many this process may run on."""
    return len(os.sched_getaffinity(0))


def tools():
    """Those that are here."""
    return [tool for tool in TOOLS if shutil.which(tool)]


def _run(tool, folder, case, subject, events):
    """Runs one subject alone under a tool; how many events it had, and what the tool wrote."""
    out = os.path.join(folder, 'counts')
    arguments = [case.workload, subject,
                 *(f'{key}={value}' for key, value in case.settings.items()), 'rounds=1',
                 f'events={events}']
    before = {'valgrind': ['valgrind', '--tool=callgrind', f'--callgrind-out-file={out}'],
              'strace': ['strace', '-f', '-c', '-o', out]}[tool]
    done = subprocess.run([*before, MEASURE, *arguments], capture_output=True, text=True,
                          errors='replace', check=False, timeout=300)
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:]
        raise Failure(f'{tool} rouse-measure {" ".join(arguments)}: {"".join(last)}')
    with open(out, encoding='utf-8', errors='replace') as file:
        return json.loads(done.stdout)['events'], file.read()


def _instructions(text):
    return {'instructions': int(re.search(r'^(?:summary|totals): (\d+)', text, re.M).group(1))}


def _calls(text):
    """Of the table of strace -c; its last line adds up."""
    calls = {}
    for line in text.splitlines():
        cells = line.split()
        if len(cells) >= 5 and cells[3].isdigit() and cells[-1] != 'total':
            calls[cells[-1]] = int(cells[3])
    return {'system_calls': sum(calls.values()),
            'waits': sum(count for name, count in calls.items() if name in WAITS)}


def count(case, subject, present):
    """{'instructions': ..., 'system_calls': ..., 'waits': ...} for each event, by the tools that
    are present."""
    found = {}
    least = max(LEAST, 4 * case.settings.get('n', 0))  # whole pieces of work
    for tool, read in (('valgrind', _instructions), ('strace', _calls)):
        if tool not in present:
            continue
        with tempfile.TemporaryDirectory() as folder:
            short, before = _run(tool, folder, case, subject, least)
            long, after = _run(tool, folder, case, subject, TIMES * least)
        before, after = read(before), read(after)
        found.update({name: (after[name] - before[name]) / (long - short) for name in after})
    return found


def count_all(wanted, present, keep):
    """Counts pairs of a case and a subject, as many at once as there are processors: nothing is
    timed. `keep` is handed each pair with its counts, or the failure."""
    with concurrent.futures.ThreadPoolExecutor(processors()) as pool:
        due = {pool.submit(count, case, subject, present): (case, subject)
               for case, subject in wanted}
        try:
            for done in concurrent.futures.as_completed(due):
                error = done.exception()
                keep(*due[done], error if error else done.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
