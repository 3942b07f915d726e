"""Numbers of tables and charts, from files whose numbers are known."""

from __future__ import annotations

import json

import pytest
import torch

from dts.report.blocks import Choice, Note
from dts.report.charts import confusion_chart
from dts.report.classes import classes_section
from dts.report.configs import configs_section
from dts.report.curves import curves_section, labels_section
from dts.report.groups import group_runs
from dts.report.overview import overview_section
from dts.report.run import read_runs


@pytest.fixture
def groups(make_run):
    folders = [make_run(f'a/seed{i}', seed=i, miou=50 + 4 * i, car=40 + i) for i in (0, 1)]
    folders += [
        make_run(f'b/seed{i}', seed=i, threshold=0.5, miou=53 + 6 * i, car=45 + 3 * i)
        for i in (0, 1)
    ]
    return group_runs(read_runs(folders))


def figure(choice: Choice, name: str) -> dict:
    return json.loads(choice.charts[name].figure)


def test_scores_are_means_over_seeds_and_paired_differences(groups):
    scores, *_ = overview_section(groups).blocks
    row = {tuple(row[:2]): row[2:] for row in scores.rows}
    # 50, 54: mean 52, deviation sqrt(8); 53, 59 minus 50, 54: 3 and 5
    assert row['a', 'student'] == [
        '2', '52.00 \u00b1 2.83', '60.00 \u00b1 0.00', '80.00 \u00b1 0.00', '-', '50.00, 54.00',
    ]  # fmt: skip
    assert row['b', 'student'][4] == '+4.00 \u00b1 1.41'
    assert row['a', 'teacher'][4] == '+1.00 \u00b1 0.00'


def test_scores_on_source_images_are_compared_among_themselves(make_run):
    folders = [make_run('a/seed0', miou=50), make_run('b/seed0', threshold=0.5, miou=60)]
    for folder, on_source in zip(folders, (80.0, 78.0), strict=True):
        found = json.loads((folder / 'test.json').read_text())
        found |= {f'source/student/{name}': on_source for name in ('mIoU', 'mAcc', 'aAcc')}
        (folder / 'test.json').write_text(json.dumps(found))
    scores, *_ = overview_section(group_runs(read_runs(folders))).blocks
    differences = {tuple(row[:2]): row[6] for row in scores.rows}
    assert differences['a', 'source/student'] == '-'
    assert differences['b', 'source/student'] == '-2.00'
    assert differences['b', 'student'] == '+10.00'


def test_a_stream_without_a_list_needs_none(make_run):
    folder = make_run('a/seed0')
    for file in (folder / 'toy.py', folder / '20260102_100000/vis_data/config.py'):
        text = file.read_text()
        file.write_text(
            text.replace("labeled=dict(ann_file='splits/seed0/labeled.txt')", 'source=dict()')
        )
    _, facts, _ = overview_section(group_runs(read_runs([folder]))).blocks
    assert 'state' in [row[0] for row in facts.rows]


def test_cost_is_what_the_logs_say(groups):
    *_, cost = overview_section(groups).blocks
    # 120 CPU seconds in two attempts, ten minutes, 0.5 s for 4 images on each of 2 processes
    assert cost.rows[0] == ['a/seed0', '2.0', '10.0', '0.500', '16.00', '20.0 %']


def test_facts_name_state_seed_and_commits(groups):
    _, facts, _ = overview_section(groups).blocks
    found = {row[0]: row[1] for row in facts.rows}
    assert found['state'] == 'finished, 100 steps'
    assert found['seed'] == '0'
    assert found['commits'] == 'abc, def'
    assert found['labelled images'] == 'splits/seed0/labeled.txt'


def test_curves_have_one_line_per_run_and_network(groups):
    score, loss, others = curves_section(groups).blocks
    lines = figure(score, 'mIoU')['data']
    assert [line['y'] for line in lines[:2]] == [[40, 50], [41, 51]]
    assert [line['x'] for line in lines[:2]] == [[50, 100]] * 2
    assert len(lines) == 8
    assert [line['line']['dash'] for line in lines[:2]] == ['solid', 'dash']
    colors = [line['line']['color'] for line in lines]
    assert len(set(colors[:4])) == len(set(colors[4:])) == 1  # of one setting
    assert colors[0] != colors[4]
    assert sum(line['showlegend'] for line in lines) == 4
    assert list(loss.charts) == ['loss']
    assert figure(loss, 'loss')['data'][0]['y'] == [2.0, 1.0]
    assert next(iter(others.charts)) == 'lr'


def test_accepted_ratio_is_drawn_and_what_is_missing_is_said(groups):
    accepted, quality, differing, distance = labels_section(groups).blocks
    assert figure(accepted, 'stat_accepted_ratio')['data'][0]['y'] == [0.25, 0.75]
    assert isinstance(quality, Note)
    assert 'stat_pseudo_accuracy' in quality.text
    assert 'stat_disagreement' in differing.text
    assert "dict(type='dts.CouplingHook')" in distance.text


def test_classes_are_compared_with_the_first_column(groups):
    chart, delta, table = classes_section(groups).blocks
    bars = figure(chart, 'all')['data']
    assert bars[0]['x'] == ['road', 'car']
    assert bars[0]['y'] == [90.0, 40.5]
    assert [bar['name'] for bar in bars] == [
        'a, student', 'a, teacher', 'b, student', 'b, teacher',
    ]  # fmt: skip
    deltas = {bar['name']: bar['y'] for bar in figure(delta, 'all')['data']}
    assert deltas['b, student'] == [0.0, 6.0]  # 45 - 40 and 48 - 41
    assert table.rows[1][1] == '40.50 \u00b1 0.71'


def test_classes_on_source_images_are_compared_among_themselves(make_run):
    folders = [make_run('a/seed0', car=40), make_run('b/seed0', threshold=0.5, car=50)]
    for folder, on_source in zip(folders, (80.0, 78.0), strict=True):
        found = json.loads((folder / 'test.json').read_text())
        found |= {'source/student/IoU.road': 90.0, 'source/student/IoU.car': on_source}
        (folder / 'test.json').write_text(json.dumps(found))
    chart, delta, table = classes_section(group_runs(read_runs(folders))).blocks
    assert list(chart.charts) == list(delta.charts) == ['target images', 'source images']
    bars = {bar['name']: bar['y'] for bar in figure(delta, 'source images')['data']}
    assert bars == {'b, source/student': [0.0, -2.0]}
    assert 'a, source/student' not in {b['name'] for b in figure(chart, 'target images')['data']}
    assert 'a, source/student: difference' not in table.header
    car = dict(zip(table.header, table.rows[1], strict=True))
    assert car['b, source/student: difference'] == '-2.00'
    assert car['b, student: difference'] == '+10.00'
    assert 'Against a, student or a, source/student' in delta.caption


def test_runs_of_one_setting_are_compared_with_each_other(groups):
    _, delta, _ = classes_section(groups[:1]).blocks
    deltas = {bar['name']: bar['y'] for bar in figure(delta, 'all')['data']}
    assert deltas['a/seed1, student'] == [0.0, 1.0]


def test_an_empty_run_says_in_every_section_what_is_missing(tmp_path):
    log = tmp_path / '20260101_000000/20260101_000000.log'
    log.parent.mkdir()
    log.write_text('2026/01/01 00:00:00 - mmengine - INFO - start\n')
    groups = group_runs(read_runs([tmp_path]))
    sections = [
        overview_section(groups), curves_section(groups), labels_section(groups),
        classes_section(groups), configs_section(groups[0].runs),
    ]  # fmt: skip
    notes = [b.text for section in sections for b in section.blocks if isinstance(b, Note)]
    assert len(notes) == 1 + 3 + 4 + 1 + 1
    assert all(text.endswith('.') for text in notes)
    _, facts, _ = sections[0].blocks
    assert ['state', 'nothing logged yet'] in facts.rows


def test_confusion_matrix_is_in_percent_of_labels_and_counts_go_into_the_csv():
    matrix = torch.tensor([[3, 1, 0], [0, 0, 0], [4, 0, 996]])
    chart = confusion_chart(matrix, ['a', 'b', 'c'], 'x.csv')
    (heat,) = json.loads(chart.figure)['data']
    assert heat['z'] == [[75.0, 25.0, 0.0], [None] * 3, [0.4, 0.0, 99.6]]
    assert heat['text'] == [['75', '25', ''], ['', '', ''], ['', '', '100']]
    assert chart.csv.splitlines()[1:] == ['a,3,1,0', 'b,0,0,0', 'c,4,0,996']
