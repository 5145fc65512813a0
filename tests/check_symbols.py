"""What the built libraries export, define and call, as `nm` and `readelf` see it.

Usage: check_symbols.py SHARED_LIBRARY STATIC_LIBRARY SOURCE_ROOT. The header, the export list and
the shared library must agree to the name. The static library cannot hide anything, so all its names
begin with `rouse_`; a new internal one is listed in core/names.h.

SPDX-License-Identifier: MIT
"""

import pathlib
import re
import shutil
import sys

import check

SHARED, STATIC, ROOT = [pathlib.Path(word) for word in sys.argv[1:4]]
# What prints or ends the process. snprintf writes to memory and is fine.
FORBIDDEN = re.compile(
    r'^_*(v?f?printf|v?dprintf|puts|fputs|putchar|putc|fputc|fwrite|perror|psignal|stdout|stderr|'
    r'abort|exit|_exit|_Exit|quick_exit|assert\w*|raise|errx?|warnx?|verrx?|vwarnx?|v?syslog|'
    r'error)(_chk|_unlocked)?$')


def tool(name):
    if shutil.which(name) is None:
        raise check.Skip(f'{name} is not installed')
    return name


def declared():
    header = ''.join((ROOT / 'include' / name).read_text() for name in ['rouse.h', 'rouse/sim.h'])
    names = re.findall(r'^ROUSE_API [^;(]*?\b(\w+)\(', header, re.M)
    assert len(names) == len(re.findall(r'^ROUSE_API ', header, re.M))
    return names


def symbols(path, *flags):
    """(object file, kind, name) of each symbol."""
    found, member = [], ''
    for line in check.run(tool('nm'), '-P', *flags, path).splitlines():
        if line.endswith(']:') or line.endswith('.o:'):
            member = re.sub(r'.*\[(.*)\]:', r'\1', line).rstrip(':')
        elif len(line.split()) >= 2:
            name, kind = line.split()[:2]
            found.append((member, kind, name.split('@')[0]))
    return found


@check.case
def export_list_is_what_the_header_declares():
    text = re.sub(r'/\*.*?\*/', '', (ROOT / 'core' / 'rouse.map').read_text(), flags=re.S)
    listed = re.findall(r'^\s*(rouse_\w+);', text, re.M)
    assert sorted(listed) == sorted(declared()), set(listed) ^ set(declared())
    assert len(set(listed)) == len(listed)
    assert re.search(r'local:\s*\*;', text)


@check.case
def shared_library_exports_what_the_header_declares():
    exported = [name for _, kind, name in symbols(SHARED, '-D', '--defined-only') if kind != 'A']
    assert sorted(exported) == sorted(declared()), set(exported) ^ set(declared())


@check.case
def static_library_defines_only_names_of_its_own():
    defined = [(member, name) for member, kind, name in symbols(STATIC, '-g', '--defined-only')]
    assert {name for _, name in defined} >= set(declared())
    strange = [f'{member}: {name}' for member, name in defined if not name.startswith('rouse_')]
    assert not strange, '\n'.join(strange)


@check.case
def library_neither_prints_nor_ends_the_process():
    """But for trace, which is used only when it is named, and is there to do so."""
    wanted = symbols(STATIC, '-u')
    assert wanted
    calls = [f'{member}: {name}' for member, _, name in wanted
             if FORBIDDEN.match(name) and not member.endswith('trace.c.o')]
    assert not calls, '\n'.join(calls)


@check.case
def shared_library_needs_the_c_library_and_those_of_its_backends_only():
    dynamic = check.run(tool('readelf'), '-d', SHARED)
    needed = re.findall(r'NEEDED.*\[(.*)\]', dynamic)
    ours = re.compile(r'(libc|libpthread|liburing|ld-[\w-]+)\.')
    strange = [name for name in needed if not ours.match(name)]
    assert needed and not strange, needed


@check.case
def soname_carries_the_minor_version():
    header = (ROOT / 'include' / 'rouse.h').read_text()
    major, minor = [re.search(rf'ROUSE_VERSION_{word} (\d+)', header).group(1)
                    for word in ('MAJOR', 'MINOR')]
    dynamic = check.run(tool('readelf'), '-d', SHARED)
    assert f'[librouse.so.{major}.{minor}]' in dynamic, dynamic


check.main()
