"""The coupling plot of a real run, and what it says about other folders."""

import importlib.util
from pathlib import Path

import cv2
import pytest

from runs import as_dual_teacher, in_child, make_images, run_config, train

FILE = Path(__file__).parents[2] / 'tools/analysis_tools/plot_coupling.py'
SPEC = importlib.util.spec_from_file_location('plot_coupling', FILE)
plot_coupling = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(plot_coupling)


@pytest.mark.slow
def test_curves_of_a_run_follow_the_turns_and_are_drawn(tmp_path, capsys):
    make_images(tmp_path)
    config = as_dual_teacher(run_config(tmp_path, tmp_path / 'run'), shift=4)
    config.custom_hooks.append(dict(type='dts.CouplingHook', interval=1, num_images=2))
    config.train_cfg.update(max_iters=8, val_interval=100)
    config.default_hooks.logger.interval = 1
    assert in_child(train, config) == 0

    curves = plot_coupling.read_curves(tmp_path / 'run')
    first, second = (dict(curves[f'teacher.{index}', 'distance']) for index in (0, 1))
    assert first[1] == 0  # the first update copies the student
    assert second[5] == 0  # the second teacher's turn begins at step 5
    assert first[8] > first[4] > 0  # at rest it is left behind
    assert all(0 <= value <= 1 for _, value in curves['teacher.0', 'agreement'])
    assert dict(curves['teacher.0', 'agreement'])[1] == 1

    out = tmp_path / 'plot.png'
    plot_coupling.main([str(tmp_path / 'run'), '--names', 'Dual Teacher', '--out', str(out)])
    assert capsys.readouterr().out.strip() == str(out)
    assert cv2.imread(str(out)).std() > 1


def test_other_folders_are_refused_with_the_fix(tmp_path):
    with pytest.raises(FileNotFoundError, match='give the work_dir'):
        plot_coupling.read_curves(tmp_path)
    log = tmp_path / '1/vis_data/scalars.json'
    log.parent.mkdir(parents=True)
    log.write_text('{"loss": 1.0, "step": 1}\n')
    with pytest.raises(ValueError, match=r'dts\.CouplingHook'):
        plot_coupling.read_curves(tmp_path)
