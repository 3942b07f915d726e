"""Contact sheets: what is drawn where, and a whole run over a small folder data set."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

BLUE, GREEN = (255, 0, 0), (0, 255, 0)  # BGR


@pytest.fixture(scope='module')
def tool(repository: Path) -> ModuleType:
    """The script as a module."""
    path = repository / 'tools/analysis_tools/browse_dataset.py'
    spec = importlib.util.spec_from_file_location('browse_dataset', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def flat(height: int, width: int, color: tuple[int, int, int]) -> np.ndarray:
    """Return an image of one color."""
    return np.full((height, width, 3), color, np.uint8)


def test_overlay_blends_palette_over_image(tool: ModuleType) -> None:
    labels = np.array([[0, 1, 255]])
    blended = tool.overlay(flat(1, 3, (100, 100, 100)), labels, [[200, 0, 0], [0, 50, 10]])
    # 0.6 * label color (BGR) + 0.4 * 100
    assert blended.tolist() == [[[40, 40, 160], [46, 70, 40], [193, 40, 193]]]


def test_sheet_puts_each_view_into_its_column(tool: ModuleType) -> None:
    rows = [
        {'weak': flat(30, 100, BLUE), 'strong': flat(30, 80, GREEN)},
        {'strong': flat(20, 90, BLUE)},
    ]
    sheet = tool.draw_sheet(rows, ['x'], [[1, 2, 3]])
    top, second = tool.LINE, tool.LINE + 30 + tool.GAP
    left = 100 + tool.GAP
    assert (sheet[top : top + 30, :100] == BLUE).all()
    assert (sheet[top : top + 30, left : left + 80] == GREEN).all()
    assert (sheet[second : second + 20, left : left + 90] == BLUE).all()
    assert (sheet[second : second + 20, :100] == tool.PAPER).all()


def test_legend_shows_every_class_color_and_ignore(tool: ModuleType) -> None:
    palette = [[10, 20, 30], [200, 100, 0], [0, 0, 250]]
    for width in (60, 2000):  # one below the other, and in one line
        legend = tool.draw_legend(['road', 'a long class name', 'c'], palette, width)
        colors = {tuple(pixel) for pixel in legend.reshape(-1, 3).tolist()}
        assert {(30, 20, 10), (0, 100, 200), (250, 0, 0), tool.IGNORE_COLOR} <= colors


@pytest.mark.slow
def test_run_over_a_folder_writes_the_sheets(
    tool: ModuleType,
    tmp_path: Path,
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    images = {'labeled/images': BLUE, 'unlabeled': GREEN}
    for folder, color in images.items():
        (tmp_path / 'my_images' / folder).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / 'my_images' / folder / 'a.png'), flat(400, 400, color))
    (tmp_path / 'my_images/labeled/masks').mkdir()
    mask = np.zeros((400, 400), np.uint8)
    mask[:, ::2] = 1  # both classes in every crop
    cv2.imwrite(str(tmp_path / 'my_images/labeled/masks/a.png'), mask)
    monkeypatch.setenv('DTS_DATA_ROOT', str(tmp_path))
    out = tmp_path / 'sheets'
    config = repository / 'configs/_base_/datasets/folder.py'
    tool.main([str(config), '--out', str(out), '--num', '5'])
    paths = sorted(out.iterdir())
    assert [path.name for path in paths] == ['sheet_000.png', 'sheet_001.png']  # 4 rows and 1
    assert all(str(path) in capsys.readouterr().out for path in paths[:1])
    sheet = cv2.imread(str(paths[0]))
    left, right = sheet[60:300, 20:300], sheet[60:300, -300:-60]
    assert left[..., 0].mean() > left[..., 1].mean() + 50  # labelled: blue
    assert right.mean() < 250  # a picture of the strong view, not paper


def test_number_of_samples_must_be_positive(tool: ModuleType) -> None:
    with pytest.raises(SystemExit):
        tool.parse_args(['config.py', '--num', '0'])
