"""The coupling plot of a real run, and what it says about other folders."""

import importlib.util
import json
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
    config.custom_hooks.append(dict(type='dts.CouplingHook', interval=1, num_batches=2))
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

    on_duty = [[value for _, value in curves[f'teacher.{index}', 'duty']] for index in (0, 1)]
    assert on_duty == [[1, 1, 1, 1, 0, 0, 0, 0], [1, 1, 1, 1]]  # drawn from its first turn

    out = tmp_path / 'plot.png'
    plot_coupling.main([str(tmp_path / 'run'), '--names', 'Dual Teacher', '--out', str(out)])
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == str(out)
    assert [line.split(' | ')[:2] for line in printed[-2:]] == [
        ['| Dual Teacher', 'on duty'],
        ['| Dual Teacher', 'at rest'],
    ]
    assert cv2.imread(str(out)).std() > 1


def test_means_are_taken_over_teachers_by_their_duty(tmp_path):
    write_log(tmp_path / 'two', ('teacher.0', 'teacher.1'), active=(0, 1, 1))
    write_log(tmp_path / 'one', ('teacher',))
    runs = {name: plot_coupling.read_curves(tmp_path / name) for name in ('one', 'two')}
    assert plot_coupling.summarize(runs).splitlines()[2:] == [
        '| one | on duty | 0.2000 | 80.0 |',  # distances 0.1, 0.2, 0.3
        '| two | on duty | 0.8667 | 13.3 |',  # 0.1 of the first, 1.2 and 1.3 of the second
        '| two | at rest | 0.2500 | 75.0 |',  # 0.2 and 0.3 of the first; the second has waited
    ]


def test_teacher_that_never_came_on_duty_is_left_out(tmp_path):
    write_log(tmp_path, ('teacher.0', 'teacher.1'), active=(0, 0, 0))
    assert plot_coupling.teachers_of(plot_coupling.read_curves(tmp_path)) == ['teacher.0']


def write_log(work_dir, teachers, active=(None,) * 3):
    """Three steps; teacher k has the distance k + step / 10, agreement is 1 - distance."""
    lines = []
    for step, index in enumerate(active, 1):
        line = {'loss': 1.0, 'step': step}
        if index is not None:
            line['teacher.active'] = index
        for number, teacher in enumerate(teachers):
            distance = number + step / 10
            line |= {f'{teacher}.distance': distance, f'{teacher}.agreement': 1 - distance}
        lines.append(json.dumps(line))
    log = work_dir / '1/vis_data/scalars.json'
    log.parent.mkdir(parents=True)
    log.write_text('\n'.join(lines) + '\n')


def test_other_folders_are_refused_with_the_fix(tmp_path):
    with pytest.raises(FileNotFoundError, match='give the work_dir'):
        plot_coupling.read_curves(tmp_path)
    log = tmp_path / '1/vis_data/scalars.json'
    log.parent.mkdir(parents=True)
    log.write_text('{"loss": 1.0, "step": 1}\n')
    with pytest.raises(ValueError, match=r'dts\.CouplingHook'):
        plot_coupling.read_curves(tmp_path)
