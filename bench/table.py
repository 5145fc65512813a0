"""A table: for the terminal, for the page, and for a document.

SPDX-License-Identifier: MIT
"""

import html


class Table:
    """Rows of strings under a head; the first column is text, the others are numbers, but for the
    columns `words`."""

    def __init__(self, head, rows, groups=(), words=()):
        self.head = head
        self.rows = rows
        self.groups = groups  # what stands over the head: a name, and how many columns it spans
        self.words = {0, *words}

    def text(self):
        lines = [self.head] + self.rows
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.head))]
        over = ' ' * widths[0]
        first = 1
        for name, span in self.groups:
            widths[first] += max(0, len(name) - sum(widths[first:first + span]) - 2 * (span - 1))
            over += '  ' + name.rjust(sum(widths[first:first + span]) + 2 * (span - 1))
            first += span
        made = [over] if self.groups else []
        for line in lines:
            made.append('  '.join(
                cell.ljust(width) if i in self.words else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(line, widths))).rstrip())
        return '\n'.join(made)

    def html(self):
        def row(cells, tag):
            rest = ''.join(f'<{tag}{" class=words" if i in self.words else ""}>{html.escape(cell)}'
                           f'</{tag}>' for i, cell in enumerate(cells[1:], 1))
            return f'<tr><th scope="row">{html.escape(cells[0])}</th>{rest}</tr>\n'

        over = ''.join(f'<th colspan="{span}">{html.escape(name)}</th>'
                       for name, span in self.groups)
        over = f'<tr><th></th>{over}</tr>\n' if over else ''
        body = ''.join(row(cells, 'td') for cells in self.rows)
        return (f'<div class="wide"><table>\n<thead>\n{over}{row(self.head, "th")}</thead>\n'
                f'<tbody>\n{body}</tbody>\n</table></div>')

    def markdown(self):
        lines = ['| ' + ' | '.join(cells) + ' |' for cells in [self.head, *self.rows]]
        rules = ['---' if i in self.words else '---:' for i in range(len(self.head))]
        return '\n'.join([lines[0], '|' + '|'.join(rules) + '|', *lines[1:], ''])
