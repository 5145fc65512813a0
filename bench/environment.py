"""Where the numbers come from: the machine, the compiler, and the code that was measured.

SPDX-License-Identifier: MIT
"""

import datetime
import json
import os
import platform
import resource
import shlex
import subprocess


def _processor():
    try:
        with open('/proc/cpuinfo', encoding='utf-8', errors='replace') as lines:
            for line in lines:
                if line.startswith('model name'):
                    return line.split(':', 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _git(root, *arguments):
    try:
        done = subprocess.run(['git', '-C', root, *arguments], capture_output=True, text=True,
                              check=False)
    except OSError:
        return ''
    return done.stdout.strip()


def _commit(root):
    commit = _git(root, 'rev-parse', '--short=12', 'HEAD') or 'unknown'
    return f'{commit} and changes' if _git(root, 'status', '--porcelain') else commit


def _flags(build):
    """The options with which the loop was compiled, but for those that do not change its code."""
    commands = json.loads((build / 'compile_commands.json').read_text(encoding='utf-8'))
    for entry in commands:
        if entry['file'].endswith('core/loop.c'):
            return ' '.join(option for option in shlex.split(entry['command'])
                            if option.startswith(('-O', '-g', '-f', '-m', '-std', '-D'))
                            and not option.startswith('-fdiagnostics'))
    return 'unknown'


def environment(root, build, compiler, options):
    """The first line of results.jsonl."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    now = datetime.datetime.now(datetime.timezone.utc)
    return {
        'date': now.isoformat(timespec='seconds'),
        'commit': _commit(root),
        'processor': _processor(),
        'cores': os.cpu_count(),
        'kernel': f'{platform.system()} {platform.release()} {platform.machine()}',
        'compiler': compiler,
        'flags': _flags(build),
        'descriptors': f'{soft} soft, {hard} hard',
        'load_average': ', '.join(f'{load:.2f}' for load in os.getloadavg()),
        'options': options,
    }
