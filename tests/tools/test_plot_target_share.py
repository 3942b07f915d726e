"""Curves of the target share, by hand."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools/benchmarks'))

import plot_target_share

TABLE = """
name: share
title: Share
readme: README.md
columns: [student/mIoU]
seeds: [0]
rows:
  - {name: 0 % target, config: base.py}
  - {name: 50 % target, config: base.py}
splits:
  - {name: shift}
"""


def scores(road: float, car: float, sign: float, source: float = 80.0) -> dict[str, float]:
    """Metrics of a run with three classes, 80 on source images each."""
    target = {'road': road, 'car': car, 'sign': sign}
    return {
        **{f'student/IoU.{name}': value for name, value in target.items()},
        **{f'source/student/IoU.{name}': 80.0 for name in target},
        'student/mIoU': sum(target.values()) / 3,
        'source/student/mIoU': source,
    }


def test_alike_are_the_classes_that_a_model_without_target_keeps():
    without = scores(road=72.0, car=20.0, sign=40.0)
    assert plot_target_share.split_classes(without) == (['road', 'sign'], ['car'])
    # what counts is the share that is kept, not the IoU
    without['source/student/IoU.car'] = 20.0
    assert plot_target_share.split_classes(without) == (['car', 'road'], ['sign'])


def test_curves_are_means_over_the_groups_of_the_run_without_target():
    runs = {0: scores(72.0, 20.0, 40.0), 75: scores(60.0, 50.0, 30.0, source=70.0)}
    assert plot_target_share.make_curves(runs) == {
        'alike: road, sign': [56.0, 45.0],
        'different: car': [20.0, 50.0],
        'all classes': [pytest.approx(44.0), pytest.approx(140 / 3)],
        'all classes, source images': [80.0, 70.0],
    }


def test_a_collapsed_run_is_named_and_not_drawn():
    runs = {
        0: scores(72.0, 20.0, 40.0),
        50: scores(60.0, 50.0, 30.0),
        100: scores(8.0, 1.0, 2.0),
    }
    panel = Figure().subplots()
    plot_target_share.draw_trade(panel, list(runs), plot_target_share.make_curves(runs))
    (line,) = panel.lines
    assert line.get_xydata().tolist() == [[56.0, 20.0], [45.0, 50.0]]
    assert [text.get_text() for text in panel.texts] == [
        '0 %',
        '50 %',
        'not drawn: 100 %: (5, 1)',
    ]


def test_runs_that_are_missing_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = tmp_path / 'table.yml'
    table.write_text(TABLE)
    (tmp_path / 'base.py').write_text('')
    with pytest.raises(ValueError, match=r'finished runs of "0 % target".*run_table.py'):
        plot_target_share.read_scores(table, tmp_path / 'results.jsonl')


@pytest.mark.slow
def test_figure_is_written(tmp_path):
    runs = {0: scores(72.0, 20.0, 40.0), 75: scores(60.0, 50.0, 30.0)}
    out = tmp_path / 'share.png'
    plot_target_share.plot(list(runs), plot_target_share.make_curves(runs), 'Toy', out)
    assert out.read_bytes().startswith(b'\x89PNG')
