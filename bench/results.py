"""The file results.jsonl: what was measured, and nothing that was made of it.

The first line is where and how; then come the samples of rouse-measure as they were printed, each
with its case and the number of its launch. A line `done` ends a launch: what was interrupted before
it does not count, and is measured again by a run that goes on.

SPDX-License-Identifier: MIT
"""

import collections
import json

from program import Failure


class Results:
    """Of one run, as far as it is."""

    def __init__(self, path, environment):
        self.path = path
        self.environment = environment
        self.launches = collections.defaultdict(dict)  # case -> launch -> samples
        self.seconds = collections.defaultdict(list)   # case -> how long its launches took
        self.counted = {}                              # (case, subject) -> counts for each event
        self._file = None

    @classmethod
    def read(cls, path):
        """What is in the file; a last line that is torn is no line."""
        try:
            text = path.read_text(encoding='utf-8')
            lines = [json.loads(line) for line in text[:text.rfind('\n') + 1].splitlines()]
            results = cls(path, lines[0]['environment'])
            pending = collections.defaultdict(list)
            for line in lines[1:]:
                results._take(line, pending)
        except OSError as error:
            raise Failure(f'{path}: {error.strerror}', 2) from error
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise Failure(f'{path}: these are no results of bench/peers', 2) from error
        return results

    def _take(self, line, pending):
        if 'counted' in line:
            self.counted[line['case'], line['subject']] = line['counted']
        elif 'done' in line:
            where = line['case'], line['done']
            self.launches[line['case']][line['done']] = pending.pop(where, [])
            self.seconds[line['case']].append(line['seconds'])
        else:
            pending[line['case'], line['launch']].append(line)

    def begin(self):
        """A new file."""
        self._open('w')
        self._write({'environment': self.environment})

    def resume(self):
        """The file goes on behind its last whole line."""
        with open(self.path, 'rb+') as file:
            file.truncate(file.read().rfind(b'\n') + 1)
        self._open('a')

    def _open(self, mode):
        self._file = open(self.path, mode, encoding='utf-8', buffering=1)

    def _write(self, line):
        print(json.dumps(line, separators=(',', ':')), file=self._file)

    def keep(self, case, launch, samples, seconds):
        for sample in samples:
            self._write({'case': case, 'launch': launch, **sample})
        self._write({'case': case, 'done': launch, 'seconds': round(seconds, 3)})
        self.launches[case][launch] = samples
        self.seconds[case].append(seconds)

    def count(self, case, subject, counts):
        self._write({'case': case, 'subject': subject, 'counted': counts})
        self.counted[case, subject] = counts
