"""docs/add-a-backend.md is followed to the letter, in a clean copy of the tree: what a newcomer
types must give him a backend that passes the contract.

usage: check_adding.py ROOT SCRATCH

SPDX-License-Identifier: MIT
"""

import os
import pathlib
import re
import shutil
import sys

import check

ROOT, SCRATCH = map(pathlib.Path, sys.argv[1:3])


@check.case
def page_on_adding_a_backend_is_followed():
    copy = SCRATCH / 'adding'
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns('build', '.git', '__pycache__'))
    page = (copy / 'docs' / 'add-a-backend.md').read_text()
    lines = re.search(r'^```sh\n(.*?)^```', page, re.M | re.S).group(1)
    environment = {name: value for name, value in os.environ.items() if name != 'ROUSE_BACKEND'}
    said = check.run('sh', '-eu', '-c', lines, cwd=copy, env=environment)
    passed = int(re.search(r'^Ok: +(\d+)', said, re.M).group(1))
    failed = int(re.search(r'^Fail: +(\d+)', said, re.M).group(1))
    assert passed > 30 and failed == 0, said
    assert 'contract_poll again' in said, said


if __name__ == '__main__':
    check.main()
