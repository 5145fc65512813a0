"""The machine of rouse/sim.h compiles without an operating system, and asks for nothing of one.

Usage: check_freestanding.py SOURCE_ROOT. Each file of backends/sim is compiled freestanding, by gcc
and by clang as far as they are here. What all of them together leave open must be functions that
copy, set and compare memory, which a compiler calls by itself too, and the default allocator of
core/memory.c, which is used where a config names none.

SPDX-License-Identifier: MIT
"""

import pathlib
import shutil
import sys
import tempfile

import check

ROOT = pathlib.Path(sys.argv[1])
SOURCES = [*sorted((ROOT / 'backends' / 'sim').glob('*.c')), ROOT / 'core' / 'memory.c']
FLAGS = ['-std=c11', '-O2', '-ffreestanding', '-fno-builtin', '-fno-stack-protector', '-fno-pic',
         '-Wall', '-Wextra', '-Werror',
         *[f'-I{ROOT / folder}' for folder in ('include', 'backends', 'core')]]
MEMORY = {'memcpy', 'memmove', 'memset', 'memcmp'}
ALLOCATOR = {'realloc', 'free'}  # of core/memory.c alone


def symbols(path, *flags):
    lines = check.run('nm', '-P', *flags, path).splitlines()
    return {line.split()[0] for line in lines if len(line.split()) >= 2}


def left_open(compiler):
    """What each file asks for that none of them has."""
    if shutil.which(compiler) is None or shutil.which('nm') is None:
        raise check.Skip(f'{compiler} or nm is not installed')
    wanted, defined = {}, set()
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / 'config.h').touch()  # what a build finds out; nothing of it is used
        for source in SOURCES:
            compiled = pathlib.Path(folder) / f'{source.stem}.o'
            check.run(compiler, *FLAGS, f'-I{folder}', '-c', source, '-o', compiled)
            wanted[source.name] = symbols(compiled, '-u')
            defined |= symbols(compiled, '-g', '--defined-only')
    return {name: names - defined for name, names in wanted.items()}


def add_cases():
    for compiler in ('gcc', 'clang'):
        def attempt(compiler=compiler):
            for name, names in left_open(compiler).items():
                allowed = MEMORY | (ALLOCATOR if name == 'memory.c' else set())
                assert names <= allowed, f'{name} asks for {", ".join(sorted(names - allowed))}'
        check.case(attempt, f'machine_asks_for_nothing_by_{compiler}')


add_cases()
check.main()
