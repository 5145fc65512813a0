"""Each public header compiles alone, twice, in strict C11 and C++17 with all warnings as errors.

Usage: check_headers.py INCLUDE_DIRECTORY. Tried with gcc and with clang, as far as they are here.

SPDX-License-Identifier: MIT
"""

import pathlib
import re
import shutil
import sys
import tempfile

import check

INCLUDE = pathlib.Path(sys.argv[1])
WARNINGS = ['-Wall', '-Wextra', '-Wpedantic', '-Wconversion', '-Wshadow', '-Werror']
# Name of the language, how compilers call it, the standard, what only it understands, and the
# compilers for it.
LANGUAGES = [
    ('c11', 'c', '-std=c11', ['-Wstrict-prototypes'], ['gcc', 'clang']),
    ('cxx17', 'c++', '-std=c++17', [], ['g++', 'clang++']),
]


def compile_alone(header, language, standard, more, compiler):
    if shutil.which(compiler) is None:
        raise check.Skip(f'{compiler} is not installed')
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / 'alone'
        source.write_text(f'#include <{header}>\n#include <{header}>\n')
        try:
            check.run(compiler, '-x', language, standard, *WARNINGS, *more, '-fsyntax-only',
                      f'-I{INCLUDE}', source)
        except AssertionError as error:
            # clang++ without a C++ library says this of any program: that is the machine's fault.
            if re.search(r"'c\w+' file not found", str(error)):
                raise check.Skip(f'{compiler} has no library for {language}') from error
            raise


def add_cases():
    for path in sorted(INCLUDE.rglob('*.h')):
        header = path.relative_to(INCLUDE).as_posix()
        for name, language, standard, more, compilers in LANGUAGES:
            for compiler in compilers:
                def attempt(arguments=(header, language, standard, more, compiler)):
                    compile_alone(*arguments)
                check.case(attempt, f'{header}_alone_in_{name}_by_{compiler}')


add_cases()
check.main()
