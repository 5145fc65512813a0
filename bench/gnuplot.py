"""Asks gnuplot: for fits with their standard errors, and for pictures.

SPDX-License-Identifier: MIT
"""

import re
import subprocess

PICTURE = """
set terminal svg size {},{} dynamic noenhanced font "sans-serif,15" background "white"
set encoding utf8
"""


def run(script):
    """What gnuplot prints."""
    done = subprocess.run(['gnuplot', '-'], input=script, capture_output=True, text=True,
                          errors='replace', check=False)
    if done.returncode != 0:
        raise RuntimeError(f'gnuplot: {done.stderr.strip()}')
    return done.stdout


def block(name, rows):
    """Data with a name, for a script; None is a value that is missing."""
    lines = [' '.join('NaN' if value is None else str(value) for value in row) for row in rows]
    return '${} << END\n{}\nEND\n'.format(name, '\n'.join(lines))


def picture(name, width, height, script):
    """An SVG element that can stand in a page with others: its ids begin with its name."""
    text = run(PICTURE.format(width, height) + script)
    text = text[text.index('<svg'):]
    text = re.sub(r'\bid=([\'"])', rf'id=\1{name}-', text)
    text = re.sub(r'([\'"(])#(?=gp)', rf'\1#{name}-', text)
    return re.sub(r'<(title|desc)>.*?</\1>\n?', '', text, flags=re.S)
