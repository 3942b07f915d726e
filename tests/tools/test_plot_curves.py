"""The plot of logged values: what is read, what is drawn, what is refused."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import cv2
import pytest

FILE = Path(__file__).parents[2] / 'tools/analysis_tools/plot_curves.py'
SPEC = importlib.util.spec_from_file_location('plot_curves', FILE)
plot_curves = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(plot_curves)


def write_log(folder: Path, part: str, lines: list[dict[str, float]]) -> None:
    log = folder / part / 'vis_data/scalars.json'
    log.parent.mkdir(parents=True)
    log.write_text('\n'.join(json.dumps(line) for line in lines))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that was resumed from step 2."""
    folder = tmp_path / 'run'
    steps = [{'loss': 4.0, 'lr': 1.0, 'step': 1}, {'loss': 3.0, 'lr': 1.0, 'step': 2}]
    write_log(folder, '1', [*steps, {'loss': 99.0, 'lr': 1.0, 'step': 3}])
    later = [{'loss': 2.0, 'lr': 1.0, 'step': 3}, {'teacher/mIoU': 61.5, 'step': 3}]
    write_log(folder, '2', later)
    return folder


def test_a_resumed_run_is_one_curve(run: Path) -> None:
    curves = plot_curves.read_curves(run)
    assert plot_curves.choose(curves, 'loss', run) == ([1, 2, 3], [4.0, 3.0, 2.0])
    assert plot_curves.choose(curves, 'teacher/mIoU', run) == ([3], [61.5])


def test_keys_are_listed_and_drawn(run: Path, capsys: pytest.CaptureFixture) -> None:
    plot_curves.main([str(run)])
    assert capsys.readouterr().out.split() == ['loss', 'lr', 'teacher/mIoU']
    out = run / 'curves.png'
    plot_curves.main([str(run), '--keys', 'loss', 'teacher/mIoU', '--out', str(out)])
    assert capsys.readouterr().out.strip() == str(out)
    both = cv2.imread(str(out))
    plot_curves.main([str(run), '--keys', 'loss', '--out', str(out)])
    one = cv2.imread(str(out))
    assert both.std() > 1
    assert both.shape[1] == 2 * one.shape[1]


def test_mistakes_are_named(run: Path, tmp_path: Path) -> None:
    curves = plot_curves.read_curves(run)
    with pytest.raises(ValueError, match="no 'student/mIoU'; near it: teacher/mIoU"):
        plot_curves.choose(curves, 'student/mIoU', run)
    with pytest.raises(FileNotFoundError, match='give the work_dir of a training run'):
        plot_curves.read_curves(tmp_path / 'nothing')
