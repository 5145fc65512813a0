"""The rules of CONTRIBUTING.md that a program can check.

Usage: check_style.py SOURCE_ROOT. What it knows of C is what the eye sees: a function begins with a
brace in the first column and ends with one.

SPDX-License-Identifier: MIT
"""

import pathlib
import re
import sys

import check

ROOT = pathlib.Path(sys.argv[1])
FOLDERS = ['include', 'core', 'backends', 'tests', 'bench', 'docs', '.ci']
# What a preprocessor condition on an operating system or a compiler's idea of one looks like.
SYSTEMS = re.compile(r'^\s*#\s*(if|ifdef|ifndef|elif)\b.*(__linux|__gnu_linux|__unix|__APPLE__|'
                     r'__MACH__|_WIN32|_WIN64|__CYGWIN__|__FreeBSD__|__NetBSD__|__OpenBSD__|'
                     r'__DragonFly__|__sun\b|__ANDROID__|__GLIBC__)', re.M)


def sources(*suffixes):
    return [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob('*'))
            if path.suffix in suffixes]


def complain(wrong):
    assert not wrong, '\n'.join(wrong)


def place(path, number):
    return f'{path.relative_to(ROOT)}:{number}'


@check.case
def no_c_file_has_a_condition_on_an_operating_system():
    files = sources('.c')
    assert files
    complain([place(path, path.read_text()[:match.start()].count('\n') + 1)
              for path in files for match in SYSTEMS.finditer(path.read_text())])


@check.case
def every_c_file_begins_by_saying_what_it_is():
    """In the library that is a paragraph that teaches; elsewhere a sentence may do."""
    wrong = []
    for path in sources('.c', '.h'):
        teaches = path.suffix == '.c' and path.parent.name in ('core', 'backends')
        opening = re.match(r'/\*\n(.*?)\*/', path.read_text(), re.S)
        if not opening or len(re.findall(r'\w+', opening.group(1))) < (20 if teaches else 8):
            wrong.append(f'{place(path, 1)}: it does not say what the file is')
        elif not opening.group(1).rstrip().endswith('SPDX-License-Identifier: MIT'):
            wrong.append(f'{place(path, 1)}: the first comment does not end with its licence')
    complain(wrong)


@check.case
def lines_have_no_tabs_and_at_most_100_columns():
    wrong = []
    for path in sources('.c', '.h', '.py', '.sh', '.build'):
        for number, line in enumerate(path.read_text().split('\n'), 1):
            if len(line) > 100:
                wrong.append(f'{place(path, number)}: {len(line)} columns')
            if '\t' in line or line != line.rstrip():
                wrong.append(f'{place(path, number)}: a tab, or space at the end')
    complain(wrong)


@check.case
def functions_fit_on_a_screen():
    wrong = []
    for path in sources('.c', '.h'):
        begin = 0
        for number, line in enumerate(path.read_text().split('\n'), 1):
            if line == '{':
                begin = number
            elif line == '}' and begin:
                if number - begin > 61:
                    wrong.append(f'{place(path, begin)}: {number - begin - 1} lines')
                begin = 0
    complain(wrong)


check.main()
