"""The documents: links that lead somewhere, and a README that tells the truth.

Usage: check_docs.py SOURCE_ROOT. That the README's program works is another test's concern: it is
taken out of the page by readme_code.py, built, and met by real clients.

SPDX-License-Identifier: MIT
"""

import pathlib
import re
import sys

import check
import readme_code

ROOT = pathlib.Path(sys.argv[1])
PAGES = sorted([*ROOT.glob('*.md'), *(ROOT / 'docs').rglob('*.md')])
README = (ROOT / 'README.md').read_text()
sys.path.insert(0, str(ROOT / 'bench'))

import seal


def prose(text):
    """A page without its blocks of code and its code in lines."""
    return re.sub(r'`[^`\n]*`', '', re.sub(r'^```.*?^```', '', text, flags=re.S | re.M))


def anchor(heading):
    return re.sub(r'\s', '-', re.sub(r'[^\w\s-]', '', heading.strip().lower()))


@check.case
def links_to_files_and_headings_lead_somewhere():
    wrong, found = [], 0
    for page in PAGES:
        for target in re.findall(r'\]\(([^)\s]+)\)', prose(page.read_text())):
            if re.match(r'\w+:', target):
                continue
            found += 1
            path, _, heading = target.partition('#')
            file = (page.parent / path) if path else page
            if not file.exists():
                wrong.append(f'{page.relative_to(ROOT)}: {target}')
            elif heading and heading not in [
                    anchor(line) for line in re.findall(r'^#+ (.*)', file.read_text(), re.M)]:
                wrong.append(f'{page.relative_to(ROOT)}: {target}: no such heading')
    assert found and not wrong, wrong


@check.case
def the_readme_opens_with_the_two_commands_and_their_last_lines():
    block = re.search(r'^```.*?\n(.*?)^```', README, re.S | re.M).group(1)
    assert README[:README.index(block)].count('\n') < 12, 'the commands stand too low'
    for command in ('./tests/run', './bench/compare'):
        assert f'$ {command}\n' in block, block
    last = re.search(r'(\d+) passed, (\d+) failed, (\d+) skipped\n', block)
    assert last and int(last.group(1)) > 0 and last.group(2) == '0', block


@check.case
def the_readme_has_a_server_of_at_most_30_lines():
    lines = readme_code.program(README).rstrip('\n').split('\n')
    assert len(lines) <= 30, len(lines)
    assert max(map(len, lines)) <= 100, max(lines, key=len)


@check.case
def the_readme_and_the_page_of_backends_name_the_same():
    page = (ROOT / 'docs' / 'backends.md').read_text()
    sections = re.findall(r'^### (\w+)$', page.split('\n## ')[1], re.M)
    table = re.findall(r'^\| `(\w+)` \|', README, re.M)
    assert sections and table == [*sections, 'trace'], (sections, table)


@check.case
def the_version_is_the_same_everywhere():
    build = (ROOT / 'meson.build').read_text()
    version = re.search(r"version: '([\d.]+)'", build).group(1)
    header = (ROOT / 'include' / 'rouse.h').read_text()
    assert '.'.join(re.findall(r'#define ROUSE_VERSION_\w+ (\d+)', header)) == version
    minor = version.rsplit('.', 1)[0]
    assert f"soversion: '{minor}'" in build
    assert f'ROUSE_{minor} {{' in (ROOT / 'core' / 'rouse.map').read_text()
    assert f'{version}' in (ROOT / 'CHANGELOG.md').read_text()


@check.case
def the_page_of_performance_is_as_it_was_generated():
    page = ROOT / 'docs' / 'performance.md'
    if not page.exists():
        raise check.Skip('it has not been generated yet')
    assert seal.is_whole(page.read_text(), page.parent), \
        'changed by hand: it is made by `bench/peers --document`, of a full run'


check.main()
