"""Takes the program out of README.md, so that it is built and run as it stands there.

Usage: readme_code.py README.md PROGRAM.c. The program is the block of C that has a main().

SPDX-License-Identifier: MIT
"""

import pathlib
import re
import sys


def program(text):
    blocks = re.findall(r'^```c\n(.*?)^```', text, re.S | re.M)
    programs = [block for block in blocks if 'int main(' in block]
    if len(programs) != 1:
        sys.exit(f'README.md has {len(programs)} programs in C; it should have one')
    return programs[0]


if __name__ == '__main__':
    pathlib.Path(sys.argv[2]).write_text(program(pathlib.Path(sys.argv[1]).read_text()))
