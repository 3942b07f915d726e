"""The report of a real toy run: its numbers are those of the test loop."""

from __future__ import annotations

import base64
import csv
import importlib.util
import io
import json
import re
from pathlib import Path

import pytest
import torch
from mmengine.runner import Runner

from dts.evaluation.metric import segmentation_scores
from runs import in_child, make_images, run_config

FILE = Path(__file__).parents[2] / 'tools/analysis_tools/report.py'
SPEC = importlib.util.spec_from_file_location('report_tool', FILE)
report = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(report)


def train_and_test(config) -> None:
    runner = Runner.from_cfg(config)
    runner.train()
    runner.test()


@pytest.fixture(scope='module')
def work_dir(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('report')
    make_images(root)
    config = run_config(root, root / 'run')
    config.test_dataloader = config.val_dataloader
    config.test_evaluator, config.test_cfg = config.val_evaluator, dict(type='dts.ModelsTestLoop')
    config.train_cfg.update(max_iters=6, val_interval=3)
    config.default_hooks.logger.interval = 1
    config.default_hooks.checkpoint.interval = 6
    assert in_child(train_and_test, config) == 0
    return root / 'run'


@pytest.mark.slow
def test_confusion_matrix_over_all_images_gives_the_scores_of_the_test(work_dir, tmp_path, capsys):
    out = tmp_path / 'report.html'
    report.main([str(work_dir), '--out', str(out), '--images', '99'])
    assert capsys.readouterr().out.splitlines()[-1] == str(out)
    html = out.read_text()
    found = re.findall(
        r'download="confusion_run_(\w+)\.csv" href="data:text/csv;base64,([^"]+)', html
    )
    scores = json.loads((work_dir / 'test.json').read_text())
    assert [name for name, _ in found] == ['student', 'teacher']
    for name, content in found:
        rows = list(csv.reader(io.StringIO(base64.b64decode(content).decode())))
        matrix = torch.tensor([[int(cell) for cell in row[1:]] for row in rows[1:]])
        ours = segmentation_scores(matrix, ['a', 'b', 'c'], {})
        assert ours['mIoU'] == pytest.approx(scores[f'{name}/mIoU'], abs=1e-6)
        assert ours['IoU.b'] == pytest.approx(scores[f'{name}/IoU.b'], abs=1e-6)
    assert '10 of 10 test images' in html
    assert html.count('<article class="panel">') == 6


@pytest.mark.slow
def test_the_last_step_counts_and_torn_and_wrong_files_are_told(work_dir, tmp_path):
    torn = tmp_path / 'run'
    torn.mkdir()
    for file in work_dir.rglob('*'):
        if file.is_file() and file.suffix != '.pth':
            target = torn / file.relative_to(work_dir)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    whole = (work_dir / 'iter_6.pth').read_bytes()
    (torn / 'iter_6.pth').write_bytes(whole)
    (torn / 'iter_3.pth').write_bytes(whole)  # newer than the last: as in a copied folder
    report.main([str(torn), '--images', '2'])
    assert 'Final networks (iter_6.pth)' in (torn / 'report.html').read_text()
    (torn / 'iter_3.pth').unlink()
    (torn / 'iter_6.pth').write_bytes(whole[: len(whole) // 2])
    report.main([str(torn), '--images', '2'])
    assert 'there is no whole iter_*.pth' in (torn / 'report.html').read_text()
    torch.save({'state_dict': {'nothing': torch.zeros(1)}}, tmp_path / 'other.pth')
    with pytest.raises(SystemExit) as error:
        report.main([str(torn), '--images', '2', '--checkpoint', str(tmp_path / 'other.pth')])
    assert error.value.code == 2


def test_a_folder_without_run_is_refused_in_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit) as error:
        report.main([str(tmp_path)])
    assert error.value.code == 2
    assert 'give the work_dir of a training run' in capsys.readouterr().err
