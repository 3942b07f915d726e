"""The plot of logged values: what is read, what is drawn, what is refused."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import cv2
import pytest
from matplotlib.figure import Figure

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
    assert plot_curves.choose(curves, 'loss', run) == {1: 4.0, 2: 3.0, 3: 2.0}
    assert plot_curves.choose(curves, 'teacher/mIoU', run) == {3: 61.5}
    assert plot_curves.choose(curves, 'student_2/mIoU,teacher/mIoU', run) == {3: 61.5}


def test_runs_of_one_name_are_drawn_with_their_mean() -> None:
    seeds = [{50: 10.0, 100: 40.0}, {50: 30.0, 100: 20.0, 150: 90.0}]
    panel = Figure().subplots()
    plot_curves.draw(panel, 'DTS', seeds)
    plot_curves.draw(panel, 'DACS', seeds[:1])
    drawn = [dict(line.get_xydata().tolist()) for line in panel.lines]
    assert drawn == [{50: 20.0, 100: 30.0}, *seeds, seeds[0]]
    assert [line.get_label() for line in panel.lines if line.get_lw() > 1] == ['DTS', 'DACS']
    colors = [line.get_color() for line in panel.lines]
    assert colors[0] == colors[1] == colors[2] != colors[3]


def test_folders_of_the_same_name_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [tmp_path / name / 'seed0' for name in ('dacs', 'dts')]
    assert plot_curves.default_names(folders) == [str(folder) for folder in folders]
    assert plot_curves.default_names([*folders[:1], tmp_path]) == ['seed0', tmp_path.name]
    for folder in folders:
        write_log(folder, '1', [{'loss': 4.0, 'lr': 1.0, 'step': 1}])
    drawn = []
    monkeypatch.setattr(plot_curves, 'draw', lambda panel, name, series: drawn.append(name))
    out = str(tmp_path / 'curves.png')
    plot_curves.main([*map(str, folders), '--keys', 'loss', '--out', out])
    assert drawn == [str(folder) for folder in folders]


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
