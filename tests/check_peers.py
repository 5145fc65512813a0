"""What bench/peers and bench/gate make of samples and counts. Nothing is measured here: the samples
are made up, so that it is known what must be said of them.

Usage: check_peers.py SOURCE_ROOT. The statistics are scipy's; where no python has it, the cases are
skipped.

SPDX-License-Identifier: MIT
"""

import contextlib
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import check

ROOT = pathlib.Path(sys.argv[1])
BENCH = ROOT / 'bench'
sys.path.insert(0, str(BENCH))

try:
    import scipy
except ImportError:
    FOUND = subprocess.run(['sh', '-c', f'. {ROOT}/.ci/setup.sh; setup_python'],
                           capture_output=True, text=True, check=False).stdout.strip()
    if FOUND:
        os.execvp(FOUND, [FOUND, '-B', *sys.argv])
    scipy = None

if scipy:
    import earlier
    import gate
    import goals
    import results
    import rows
    import shapes
    import verdicts
    from program import Failure

SHAPE = ('chain', (('n', 100), ('active', 1)), 'epoll')


def case(function):
    """A case that needs scipy."""
    def attempt():
        if not scipy:
            raise check.Skip('no python here has scipy')
        function()
    return check.case(attempt, function.__name__)


def made(ratios, noise=0.001, launches=10):
    """A row in which a subject takes so many times what the reference takes. Launches differ by
    `noise`, half of them to either side."""
    effort = shapes.Effort(launches, 2, 1)
    shape = shapes.Shape(*SHAPE, effort, True, False, 0)
    one = shapes.Case(shape, 'chain', ['raw:epoll', *ratios], effort)
    entrants = [*ratios.items(), ('raw:epoll', 1)]
    samples = {}
    for launch in range(launches):
        moved = 1 + noise * (1 if launch % 2 else -1)
        samples[launch] = [
            {'subject': name, 'round': turn, 'place': place, 'events': 10,
             'cpu_ns': 1e6 * ratio, 'wall_ns': 2e6 * ratio, 'waits': 10}
            for turn in range(2) for place in range(2 * len(entrants) + 1)
            for name, ratio in [(entrants[place // 2][0], entrants[place // 2][1] * moved)
                                if place % 2 else ('raw:epoll', 1)]]
    return rows.Row(one, samples, {})


@case
def a_ratio_is_to_the_slices_around():
    row = made({'libev:epoll': 1.5, 'rouse:epoll': 0.9})
    assert abs(row.ratio('libev:epoll').middle - 1.5) < 1e-9, row.ratio('libev:epoll')
    assert abs(row.ratio('rouse:epoll', 'libev:epoll').middle - 0.6) < 1e-9
    assert abs(row.value('libev:epoll').middle - 1.5e5) < 1e-3
    assert abs(row.ratio('libev:epoll', quantity=rows.WALL).middle - 1.5) < 1e-9


@case
def verdicts_keep_a_margin():
    row = made({'libev:epoll': 1.03, 'rouse:epoll': 0.97, 'libuv:epoll': 1.01,
                'libevent:epoll': 1.0205})
    said = {name: row.verdict(name) for name in row.case.others}
    assert said == {'libev:epoll': 'worse', 'rouse:epoll': 'better', 'libuv:epoll': 'tie',
                    'libevent:epoll': 'cannot tell'}, said
    assert not row.trouble, row.trouble


@case
def noise_above_the_margin_leaves_no_verdict_on_what_it_may_be():
    row = made({'libev:epoll': 1.03, 'libuv:epoll': 1.0, 'rouse:epoll': 0.5}, noise=0.05)
    assert 'noise' in row.trouble, row.trouble
    said = {name: row.verdict(name) for name in row.case.others}
    assert said == {'libev:epoll': 'no verdict', 'libuv:epoll': 'no verdict',
                    'rouse:epoll': 'better'}, said


@case
def few_launches_leave_no_verdict():
    row = made({'rouse:epoll': 0.5}, launches=4)
    assert row.verdict('rouse:epoll') == 'no verdict' and 'too few launches' in row.trouble


@case
def our_best_is_set_against_each_peer_on_the_same_backend():
    row = made({'rouse:epoll': 1.0, 'rouse-edge:epoll': 0.9, 'rouse:io_uring': 0.5,
                'libev:epoll': 1.2, 'libevent:changelist': 1.1})
    said = [(ours, peer, verdict) for ours, peer, _, verdict in row.duels()]
    assert said == [('rouse-edge:epoll', 'libevent:changelist', 'better'),
                    ('rouse-edge:epoll', 'libev:epoll', 'better')], said


@case
def percentiles_are_values_that_were_measured():
    values = list(range(1, 1001))
    assert [rows.percentile(values, share) for share in (0, 50, 99, 99.9, 100)] == \
        [1, 500, 990, 999, 1000]


@case
def goals_are_of_rows_that_a_full_run_has():
    planned = {(shape.workload, json.dumps(dict(shape.settings)), subject)
               for shape in shapes.SHAPES for subject in shapes.FAMILIES[shape.family]}
    wrong = [goal for goal in goals.GOALS
             if (goal.workload, json.dumps(goal.settings), goal.subject) not in planned]
    assert goals.GOALS and not wrong, wrong


@case
def a_goal_is_met_or_missed_by_the_whole_interval():
    row = made({'rouse:epoll': 1.0, 'rouse-edge:epoll': 0.96, 'rouse-edge:io_uring': 0.9})
    said = {goal.subject: verdict for goal, _, verdict in goals.judged([row])
            if goal.quantity == 'ratio' and verdict != 'not measured'}
    assert said == {'rouse:epoll': 'met', 'rouse-edge:epoll': 'met',
                    'rouse-edge:io_uring': 'missed'}, said
    assert verdicts.against_bound(verdicts.Interval(0.9, 1, 1.1), 1) == 'cannot tell'


@case
def what_was_interrupted_is_not_counted_and_measured_again():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / 'results.jsonl'
        whole = results.Results(path, {'date': 'today'})
        whole.begin()
        whole.keep('one', 0, [{'cpu_ns': 1}], 0.5)
        with open(path, 'a', encoding='utf-8') as file:
            file.write('{"case":"one","launch":1,"cpu_ns":2}\n{"case":"one","lau')
        again = results.Results.read(path)
        assert dict(again.launches['one']) == \
            {0: [{'case': 'one', 'launch': 0, 'cpu_ns': 1}]}, again.launches
        again.resume()
        again.keep('one', 1, [{'cpu_ns': 3}], 0.5)
        assert results.Results.read(path).launches['one'][1][-1]['cpu_ns'] == 3


@case
def what_is_no_result_is_refused():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / 'results.jsonl'
        for text in (None, '', 'x\n', '{}\n', '[]\n', '{"environment":{}}\n{"a":1}\n'):
            if text is not None:
                path.write_text(text)
            try:
                results.Results.read(path)
            except Failure as failure:
                assert failure.status == 2 and 'results.jsonl' in str(failure), failure
            else:
                raise AssertionError(f'taken for results: {text!r}')


@case
def an_earlier_run_is_compared_row_by_row():
    before, after = (made({'rouse:epoll': ratio, 'libev:epoll': 1.2}) for ratio in (1.0, 0.9))
    said = [(line[1], line[5]) for line in earlier.table([before], [after]).rows]
    assert said == [('rouse:epoll', 'better'), ('libev:epoll', 'tie')], said
    assert earlier.table([], [after]).rows == []


@case
def options_that_do_not_go_together_end_with_2():
    for options, words in ((['--resume', '--quick'], '--resume'), (['--rounds', '0'], '--rounds'),
                           (['--rounds', 'x'], '--rounds'), (['--nothing'], '--nothing'),
                           (['--against', '/no/such/file'], '/no/such/file')):
        text = check.run(sys.executable, '-B', BENCH / 'peers.py', *options, status=2)
        assert words in text and 'Traceback' not in text, text


def gated(now, then, compiler='cc 1'):
    """The figures that the gate finds above the accepted ones."""
    accepted = {'origin': {**gate.origin(), 'compiler': compiler},
                'figures': {'chain': {'rouse:epoll': then}}}
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        return gate.compare({'chain': {'rouse:epoll': now}}, accepted)[1]


@case
def the_gate_lets_through_what_is_within_its_margin():
    gate.origin = lambda: {'compiler': 'cc 1'}
    then = {'instructions': 200.0, 'system_calls': 2.0, 'waits': 1.0}
    assert gated({'instructions': 203.0, 'system_calls': 2.0, 'waits': 1.0}, then) == []
    assert gated({'instructions': 100.0, 'system_calls': 1.0, 'waits': 1.0}, then) == []
    above = gated({'instructions': 205.0, 'system_calls': 2.1, 'waits': 1.0}, then)
    assert len(above) == 2 and 'instructions' in above[0] and '205' in above[0], above


@case
def the_gate_judges_no_instructions_of_another_compiler():
    gate.origin = lambda: {'compiler': 'cc 1'}
    then = {'instructions': 200.0, 'system_calls': 2.0, 'waits': 1.0}
    now = {'instructions': 300.0, 'system_calls': 2.1, 'waits': 1.0}
    above = gated(now, then, 'cc 2')
    assert len(above) == 1 and 'system_calls' in above[0], above


check.main()
