"""The library as others build it: as a subproject, installed, and with a backend left out.

Usage: check_build.py SOURCE_ROOT SCRATCH BACKEND... Everything is made in the directory SCRATCH,
which is emptied first; the backends are those that can be left out here.

SPDX-License-Identifier: MIT
"""

import os
import pathlib
import re
import shutil
import sys

import check

ROOT = pathlib.Path(sys.argv[1])
SCRATCH = pathlib.Path(sys.argv[2])
BACKENDS = sys.argv[3:]

# A user's program, in the words that C and C++ share: a pipe, a timer, and which version it got.
USER = '''
#include <rouse.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int seen;

static void on_read(struct rouse_io *io, uint32_t ready)
{
    char byte;
    if ((ready & ROUSE_READ) && rouse_read(io, &byte, 1) == 1)
        seen++;
    rouse_io_close(io);
}

static void on_time(struct rouse_timer *timer)
{
    (void)timer;
    seen++;
}

int main(void)
{
    struct rouse_loop *loop;
    struct rouse_io io;
    struct rouse_timer timer;
    int ends[2];
    if (pipe(ends) != 0 || write(ends[1], "x", 1) != 1 || rouse_open(&loop, NULL) != 0)
        return 1;
    rouse_io_init(&io, on_read);
    rouse_timer_init(&timer, on_time);
    if (rouse_io_start(loop, &io, ends[0], ROUSE_READ) != 0 ||
        rouse_timer_after(loop, &timer, 1, 0) != 0 || rouse_run(loop) != 0)
        return 1;
    rouse_close(loop);
    printf("rouse %s: %d\\n", rouse_version(), seen);
    return seen != 2;
}
'''

# Asks for a backend by name and tells what became of it.
ASKER = '''
#include <errno.h>
#include <rouse.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    char why[1000] = "";
    struct rouse_config config = {.size = sizeof config, .why = why, .why_size = sizeof why};
    struct rouse_loop *loop;
    config.backend = argc > 1 ? argv[1] : NULL;
    int error = rouse_open(&loop, &config);
    if (error != 0) {
        printf("%s: %s", error == -ENOENT ? "ENOENT" : "another error", why);
        return 0;
    }
    printf("%s: %s", rouse_backend_name(loop), why);
    rouse_close(loop);
    return 0;
}
'''


def fresh(name):
    folder = SCRATCH / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def compiler(language):
    return os.environ.get(*{'c': ('CC', 'cc'), 'c++': ('CXX', 'c++')}[language]).split()


def configure(folder, *options, root=ROOT):
    check.run('meson', 'setup', folder, root, *options)


def compile_in(folder):
    try:
        check.run('meson', 'compile', '-C', folder)
    except AssertionError as error:
        progress = r'^\[\d+/\d+\] (Compiling|Linking|Generating) .*\n'
        raise AssertionError(re.sub(progress, '', str(error), flags=re.M)) from None


def version():
    return check.run('meson', 'introspect', '--projectinfo', ROOT / 'meson.build').split(
        '"version": "')[1].split('"')[0]


@check.case
def it_builds_as_a_subproject():
    folder = fresh('subproject')
    copy = folder / 'subprojects' / 'rouse'
    copy.mkdir(parents=True)
    for name in os.listdir(ROOT):
        if (ROOT / name).is_dir() and name not in ('build', '.git'):
            shutil.copytree(ROOT / name, copy / name)
        elif name.startswith('meson'):
            shutil.copy(ROOT / name, copy)
    (folder / 'user.c').write_text(USER)
    (folder / 'meson.build').write_text(
        "project('user', 'c', default_options: ['werror=true', 'warning_level=3'])\n"
        "rouse = dependency('rouse', version: '>=0.1', fallback: 'rouse')\n"
        "test('user', executable('user', 'user.c', dependencies: rouse))\n")
    build = folder / 'build'
    configure(build, '--wrap-mode=forcefallback', root=folder)
    compile_in(build)
    environment = dict(os.environ, LD_LIBRARY_PATH=str(build / 'subprojects' / 'rouse'))
    assert check.run(build / 'user', env=environment) == f'rouse {version()}: 2\n'
    assert not list(build.rglob('rouse_internals*')), 'a subproject builds the tests of rouse'


def install():
    """Installs into a DESTDIR; returns it and an environment in which pkg-config finds it there."""
    folder = fresh('installed')
    configure(folder / 'build', '-Dprefix=/usr', '-Dlibdir=lib', '-Dtests=disabled',
              '-Dbench=disabled', '-Dlessons=disabled')
    destination = folder / 'destination'
    check.run('meson', 'install', '-C', folder / 'build',
              env=dict(os.environ, DESTDIR=str(destination)))
    system = check.run('pkg-config', '--variable', 'pc_path', 'pkg-config').strip()
    return destination, dict(os.environ, PKG_CONFIG_SYSROOT_DIR=str(destination),
                             PKG_CONFIG_LIBDIR=f'{destination}/usr/lib/pkgconfig:{system}',
                             LD_LIBRARY_PATH=str(destination / 'usr/lib'))


@check.case
def it_installs_and_pkg_config_finds_it():
    destination, environment = install()
    installed = {path.relative_to(destination).as_posix()
                 for path in destination.rglob('*') if not path.is_dir()}
    minor = version().rsplit('.', 1)[0]
    assert installed == {
        'usr/include/rouse.h', 'usr/include/rouse/backend.h', 'usr/include/rouse/sim.h',
        'usr/lib/pkgconfig/rouse.pc', 'usr/lib/librouse.a', 'usr/lib/librouse.so',
        f'usr/lib/librouse.so.{minor}', f'usr/lib/librouse.so.{version()}'}, installed
    assert check.run('pkg-config', '--modversion', 'rouse', env=environment).strip() == version()
    flags = check.run('pkg-config', '--cflags', '--libs', 'rouse', env=environment).split()
    static = check.run('pkg-config', '--cflags', '--libs', '--static', 'rouse',
                       env=environment).split()
    folder = SCRATCH / 'installed'
    for language, standard in (('c', 'c11'), ('c++', 'c++17')):
        for linking, words in (('shared', flags), ('static', ['-static', *static])):
            program = folder / f'user-{standard}-{linking}'
            source = program.with_suffix('.source')
            source.write_text(USER)
            check.run(*compiler(language), f'-std={standard}', '-D_DEFAULT_SOURCE', '-Wall',
                      '-Wextra', '-Werror', '-x', language, source, '-x', 'none', *words, '-o',
                      program)
            assert check.run(program, env=environment) == f'rouse {version()}: 2\n'


def leave_out(name):
    """The library without it builds, and says why it is not there; the others still are."""
    folder = fresh(f'without-{name}')
    configure(folder / 'build', f'-Dleave_out={name}', '-Dtests=disabled', '-Dbench=disabled',
              '-Dlessons=disabled', '-Ddefault_library=shared', '-Dwerror=true')
    compile_in(folder / 'build')
    (folder / 'asker.c').write_text(ASKER)
    check.run(*compiler('c'), f'-I{ROOT / "include"}', folder / 'asker.c',
              folder / 'build' / 'librouse.so', f'-Wl,-rpath,{folder / "build"}', '-o',
              folder / 'asker')
    text = check.run(folder / 'asker', name)
    assert text.startswith('ENOENT: '), text
    assert f'{name}: left out when the library was built' in text, text
    for other in BACKENDS:
        if other != name:
            assert other in text, text
            assert check.run(folder / 'asker', other) == f'{other}: '
    environment = {word: value for word, value in os.environ.items() if word != 'ROUSE_BACKEND'}
    default = check.run(folder / 'asker', env=environment)
    assert default.split(':')[0] == [other for other in BACKENDS if other != name][0], default


def build_without_warnings(name, *options, **environment):
    """All that is built, in another way than that in which the tests are run."""
    folder = fresh(name)
    check.run('meson', 'setup', folder / 'build', ROOT, '-Dwerror=true', '-Dtests=enabled',
              *options, env=dict(os.environ, **environment))
    compile_in(folder / 'build')


@check.case
def clang_has_nothing_to_warn_of():
    if shutil.which('clang') is None:
        raise check.Skip('clang is not installed')
    build_without_warnings('clang', CC='clang')


@check.case
def a_release_has_nothing_to_warn_of():
    build_without_warnings('release', '-Dbuildtype=release')


for backend in BACKENDS:
    check.case(lambda backend=backend: leave_out(backend),
               f'without_{backend}_it_builds_and_says_why')


@check.case
def without_any_backend_it_does_not_configure():
    folder = fresh('without-any')
    text = check.run('meson', 'setup', folder / 'build', ROOT,
                     f'-Dleave_out={",".join(BACKENDS)}', status=1)
    assert 'every backend is left out' in text, text


check.main()
