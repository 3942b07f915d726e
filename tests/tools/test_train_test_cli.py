"""The command line tools themselves, in processes of their own, on a generated data set."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import re
import stat
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import mmcv
import numpy as np
import pytest
from forked import run_script

pytestmark = pytest.mark.slow

NUM_IMAGES = {'train': 4, 'test': 3}
SIZE = (24, 32)  # height, width
CONFIG = """
_base_ = ['{base}/runtime.py', '{base}/tta.py']
custom_imports = dict(imports=['dts.all', 'toys'], allow_failed_imports=False)
norm = dict(type='SyncBN', requires_grad=True)
stock = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor', mean=[127.5] * 3, std=[127.5] * 3, size_divisor=1,
        bgr_to_rgb=True, pad_val=0, seg_pad_val=255),
    backbone=dict(type='dts.ToyBackbone', channels=8),
    decode_head=dict(
        type='FCNHead', in_channels=8, in_index=0, channels=8, num_convs=1, kernel_size=1,
        concat_input=False, num_classes=2, align_corners=False, norm_cfg=norm,
        loss_decode=dict(type='CrossEntropyLoss')),
    train_cfg=dict(), test_cfg=dict(mode='whole'))
model = dict(type='dts.MeanTeacher', student=stock)
custom_hooks = [dict(type='dts.EmaTeacherHook', decay=0.5)]
common = dict(type='BaseSegDataset', metainfo=dict(
    classes=('dark', 'bright'), palette=[[0, 0, 255], [255, 255, 0]]))
load = [dict(type='dts.LoadImage'), dict(type='dts.LoadLabels')]
pack = dict(type='PackSegInputs')
labeled = dict(data_root='data', data_prefix=dict(img_path='img/train', seg_map_path='ann/train'),
    img_suffix='.png', seg_map_suffix='.png',
    pipeline=load + [dict(type='dts.Branches', branches=dict(labeled=[pack]))], **common)
unlabeled = dict(data_root='data', data_prefix=dict(img_path='img/train'), img_suffix='.png',
    pipeline=[load[0], dict(type='dts.Branches', branches=dict(
        unlabeled_weak=[pack], unlabeled_strong=[pack]))], **common)
train_dataloader = dict(
    batch_size=4, num_workers=0, collate_fn=dict(type='dts.collate_branches'),
    sampler=dict(type='dts.RatioSampler', batch=dict(labeled=2, unlabeled=2)),
    dataset=dict(type='dts.StreamDataset', streams=dict(labeled=labeled, unlabeled=unlabeled)))
test_dataloader = dict(
    batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(data_root='data', test_mode=True, img_suffix='.png', seg_map_suffix='.png',
        data_prefix=dict(img_path='img/test', seg_map_path='ann/test'), pipeline=load + [pack],
        **common))
val_dataloader = test_dataloader
val_evaluator = test_evaluator = dict(type='dts.SegmentationMetric')
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.5))
train_cfg = dict(type='dts.TrainLoop', max_iters=4, val_interval=2)
val_cfg = dict(type='dts.ModelsValLoop', models=['student', 'teacher'])
test_cfg = dict(type='dts.ModelsTestLoop', models=['student', 'teacher'])
default_hooks = dict(
    logger=dict(interval=1), checkpoint=dict(interval=2, save_best='teacher/mIoU'))
final_test = True
"""


@pytest.fixture(scope='module')
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a user: images whose class is visible, and a config."""
    root = tmp_path_factory.mktemp('project')
    rng = np.random.default_rng(0)
    for split, num_images in NUM_IMAGES.items():
        for index in range(num_images):
            labels = np.zeros(SIZE, dtype=np.uint8)
            labels[:, : 8 + 4 * index] = 1
            labels[0] = 255
            noise = rng.integers(0, 60, (*SIZE, 3), dtype=np.uint8)
            image = (labels == 1)[..., None] * np.uint8(180) + noise
            mmcv.imwrite(image, str(root / f'data/img/{split}/{index}.png'))
            mmcv.imwrite(labels, str(root / f'data/ann/{split}/{index}.png'))
    base = Path(__file__).parents[2] / 'configs/_base_'
    (root / 'toy.py').write_text(CONFIG.format(base=base))
    return root


def run_tool(
    project: Path, repository: Path, *command: str, path: str = '', **environment: str
) -> subprocess.CompletedProcess:
    """Run a tool from the project's folder as a user does."""
    script = repository / 'tools' / command[0]
    program = 'bash' if script.suffix == '.sh' else sys.executable
    python_folder = str(Path(sys.executable).parent)
    env = {
        **os.environ,
        'PYTHONPATH': os.pathsep.join(
            [os.environ.get('PYTHONPATH', ''), str(repository), str(repository / 'tests')]
        ),
        'PATH': os.pathsep.join([path, python_folder, os.environ['PATH']]),
        'OMP_NUM_THREADS': '1',
        'GLOO_SOCKET_IFNAME': 'lo',
        **environment,
    }
    return subprocess.run(
        [program, str(script), *command[1:]],
        cwd=project,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def run_test(project: Path, repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``tools/test.py`` from the project's folder."""
    return run_script(repository / 'tools/test.py', *arguments, folder=project)


@pytest.fixture(scope='module')
def trained(project: Path, repository: Path) -> Path:
    """Work dir of a finished run."""
    script = repository / 'tools/train.py'
    result = run_script(script, 'toy.py', '--seed', '3', folder=project)
    assert result.returncode == 0, result.stderr[-3000:]
    return project / 'work_dirs/toy'


def read_scores(file: Path) -> dict[str, float]:
    return json.loads(file.read_text())


def test_train_writes_scores_of_both_networks(trained: Path) -> None:
    scores = read_scores(trained / 'test.json')
    assert set(scores) == {
        f'{model}/{key}'
        for model in ('student', 'teacher')
        for key in ('mIoU', 'mAcc', 'aAcc', 'IoU.dark', 'IoU.bright')
    }
    assert scores['student/mIoU'] != scores['teacher/mIoU']
    (history,) = trained.glob('*/class_iou.jsonl')
    lines = [json.loads(line) for line in history.read_text().splitlines()]
    assert [line['step'] for line in lines] == [2, 4]
    # Validation and test set are the same here.
    assert {key: lines[1][key] for key in scores} == scores
    (log,) = trained.glob('*/*.log')
    text = log.read_text()
    assert re.search(r'\| bright +\| +\d+\.\d\d \| +\d+\.\d\d \|', text)
    assert 'seed: 3' in text
    assert list(trained.glob('best_teacher_mIoU_iter_*.pth'))


def test_two_processes_repeat_the_scores_and_write_predictions(
    project: Path, repository: Path, trained: Path
) -> None:
    """Three images over two processes: MMEngine's sampler repeats one, which must not count."""
    result = run_tool(
        project, repository, 'dist_test.sh', 'toy.py', str(trained / 'iter_4.pth'), '2',
        '--out', 'out', '--show-dir', 'show', '--models', 'teacher', 'student',
        PORT='29571', CUDA_VISIBLE_DEVICES='-1',
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-3000:]
    assert 'teacher IoU' in result.stdout
    scores = read_scores(trained / 'test_iter_4/test.json')
    assert scores == read_scores(trained / 'test.json')
    for model in ('student', 'teacher'):
        hits = num_pixels = 0
        for index in range(NUM_IMAGES['test']):
            labels = mmcv.imread(str(project / f'data/ann/test/{index}.png'), 'unchanged')
            prediction = mmcv.imread(str(project / f'out/{model}/{index}.png'), 'unchanged')
            assert prediction.shape == SIZE
            hits += (prediction == labels)[labels != 255].sum()
            num_pixels += (labels != 255).sum()
            picture = mmcv.imread(str(project / f'show/{model}/{index}.png'))
            assert picture.shape == (SIZE[0], 3 * SIZE[1] + 2 * 4, 3)
        assert scores[f'{model}/aAcc'] == pytest.approx(100 * hits / num_pixels)


def test_best_file_holds_the_teacher_it_is_named_after(
    project: Path, repository: Path, trained: Path
) -> None:
    (best,) = trained.glob('best_teacher_mIoU_iter_*.pth')
    result = run_test(project, repository, 'toy.py', str(best), '--work-dir', 'best', '--tta')
    assert result.returncode == 0, result.stderr[-3000:]
    scores = read_scores(project / 'best/test.json')
    assert {key.partition('/')[0] for key in scores} == {'teacher'}
    assert all(math.isfinite(value) for value in scores.values())


def test_source_domain_is_scored_and_a_test_server_gets_predictions(
    project: Path, repository: Path, trained: Path
) -> None:
    """The source test set of this config is the training set; the server's images have no masks."""
    (project / 'shift.py').write_text(
        "_base_ = ['toy.py']\n"
        'source_test_dataloader = dict(\n'
        "    batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),\n"
        "    dataset=dict(type='BaseSegDataset', data_root='data', test_mode=True,\n"
        "        img_suffix='.png', seg_map_suffix='.png', metainfo=_base_.common.metainfo,\n"
        "        data_prefix=dict(img_path='img/train', seg_map_path='ann/train'),\n"
        '        pipeline=_base_.load + [_base_.pack]))\n'
        'submit_dataloader = dict(\n'
        "    batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),\n"
        "    dataset=dict(type='BaseSegDataset', data_root='data', test_mode=True,\n"
        "        img_suffix='.png', metainfo=_base_.common.metainfo,\n"
        "        data_prefix=dict(img_path='img/test'), pipeline=[_base_.load[0], _base_.pack]))\n"
    )
    file = str(trained / 'iter_4.pth')
    result = run_test(project, repository, 'shift.py', file, '--work-dir', 'shift')
    assert result.returncode == 0, result.stderr[-3000:]
    scores, target_only = (
        read_scores(project / 'shift/test.json'),
        read_scores(trained / 'test.json'),
    )
    assert {key: scores[key] for key in target_only} == target_only
    assert {key for key in scores if key.startswith('source/')} == {
        f'source/{k}' for k in target_only
    }
    assert 'test results on the source domain in percent' in result.stdout
    for options in ([], ['--tta']):
        result = run_test(
            project, repository, 'shift.py', file, '--submit', '--out', 'server',
            '--models', 'student', '--work-dir', 'submit', *options,
        )  # fmt: skip
        assert result.returncode == 0, result.stderr[-3000:]
        names = sorted(path.name for path in (project / 'server').iterdir())
        assert names == [f'{index}.png' for index in range(NUM_IMAGES['test'])]
        assert not (project / 'submit/test.json').exists()
        for name in names:
            (project / 'server' / name).unlink()
    result = run_test(project, repository, 'shift.py', file, '--label-ids', '--out', 'server')
    assert result.returncode == 2
    assert 'label ids of Cityscapes need its 19 classes' in result.stderr


def test_slurm_job_resumes_from_the_newest_file_with_amp(
    project: Path, repository: Path, trained: Path
) -> None:
    """A stand-in for ``srun`` records its arguments and runs one task, as Slurm would."""
    programs = {
        'srun': (
            f'printf "%s\\n" "$@" > {project}/srun.txt\n'
            'while [ "$1" != python ]; do shift; done\n'
            'export SLURM_PROCID=0 SLURM_LOCALID=0 SLURM_NTASKS=1 SLURM_NODELIST=localhost\n'
            'exec "$@"\n'
        ),
        'scontrol': 'echo 127.0.0.1\n',
    }
    folder = project / 'bin'
    folder.mkdir()
    for name, text in programs.items():
        (folder / name).write_text(f'#!/usr/bin/env bash\nset -e\n{text}')
        (folder / name).chmod(stat.S_IRWXU)
    (project / 'again').mkdir()
    (project / 'again/iter_2.pth').write_bytes((trained / 'iter_2.pth').read_bytes())
    result = run_tool(
        project, repository, 'slurm_train.sh', 'gpus', 'my job', 'toy.py', '--work-dir', 'again',
        '--resume', '--amp', '--seed', '3', '--cfg-options', 'train_cfg.max_iters=3',
        path=str(folder), GPUS='1', GPUS_PER_NODE='0', CPUS_PER_TASK='1', MASTER_PORT='29572',
        SRUN_ARGS='--time=10 --qos=low', CUDA_VISIBLE_DEVICES='-1',
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-3000:]
    arguments = (project / 'srun.txt').read_text().splitlines()
    assert arguments[: arguments.index('python')] == [
        '--partition=gpus', '--job-name=my job', '--ntasks=1', '--cpus-per-task=1',
        '--kill-on-bad-exit=1', '--time=10', '--qos=low',
    ]  # fmt: skip
    assert 'resuming from again/iter_2.pth' in result.stdout
    assert 'Iter(train) [3/3]' in result.stdout
    assert 'Iter(train) [2/3]' not in result.stdout
    assert 'SyncBN needs GPUs: BN is used' in result.stdout + result.stderr
    assert 'dts.CpuAmpOptimWrapper' in (project / 'again/toy.py').read_text()


def test_wrong_label_in_a_worker_ends_in_one_line(
    project: Path, repository: Path, trained: Path
) -> None:
    mmcv.imwrite(np.full(SIZE, 7, np.uint8), str(project / 'data/ann/broken/0.png'))
    mmcv.imwrite(np.zeros((*SIZE, 3), np.uint8), str(project / 'data/img/broken/0.png'))
    folders = 'test_dataloader.dataset.data_prefix'
    result = run_test(
        project, repository, 'toy.py', str(trained / 'iter_4.pth'), '--cfg-options',
        'test_dataloader.num_workers=1', f'{folders}.img_path=img/broken',
        f'{folders}.seg_map_path=ann/broken',
    )  # fmt: skip
    assert result.returncode == 2, result.stderr[-3000:]
    assert 'Traceback' not in result.stderr
    (line,) = [x for x in result.stderr.splitlines() if x.startswith('error: ')]
    assert 'ann/broken/0.png' in line


class RecordingWriter:
    """Stands in for the writer of torch.utils.tensorboard: numbers and texts in a JSON file."""

    def __init__(self, folder: str) -> None:
        self.file = Path(folder, 'events.json')
        self.events: list[list] = []

    def add_text(self, tag: str, text: str) -> None:
        self._keep(tag, text, 0)

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        self._keep(tag, float(value), step)

    def _keep(self, *event: str | float) -> None:
        self.events.append(list(event))
        self.file.write_text(json.dumps(self.events))

    def close(self) -> None:
        pass


def pretend(monkeypatch: pytest.MonkeyPatch, **installed: bool) -> None:
    """Let the tools find a package or not, whatever is installed."""
    find = importlib.util.find_spec
    specs = {name: find('json') if is_there else None for name, is_there in installed.items()}

    def answer(name: str, *package: str) -> ModuleSpec | None:
        return specs[name] if name in specs else find(name, *package)

    monkeypatch.setattr(importlib.util, 'find_spec', answer)


def test_tensorboard_and_report_by_one_flag_each(
    project: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip('plotly', reason='pip install dts[report]')
    pretend(monkeypatch, tensorboard=True)
    writer = ModuleType('torch.utils.tensorboard')
    writer.SummaryWriter = RecordingWriter
    monkeypatch.setitem(sys.modules, 'torch.utils.tensorboard', writer)
    result = run_script(
        repository / 'tools/train.py', 'toy.py', '--tensorboard', '--report', '--work-dir', 'seen',
        '--cfg-options', 'train_cfg.max_iters=2', 'default_hooks.report.every_validation=True',
        folder=project,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-3000:]
    (file,) = project.glob('seen/*/vis_data/events.json')
    events = json.loads(file.read_text())
    config = next(text for tag, text, _ in events if tag == 'config')
    assert 'TensorboardVisBackend' in config
    local = [json.loads(x) for x in (file.parent / 'scalars.json').read_text().splitlines()]
    losses = [(value, step) for tag, value, step in events if tag == 'loss']
    assert losses == [(line['loss'], line['step']) for line in local if 'loss' in line]
    assert len(losses) == 2
    scores = read_scores(project / 'seen/test.json')
    assert ['teacher/mIoU', scores['teacher/mIoU'], 2] in events
    html = (project / 'seen/report.html').read_text()
    assert 'finished, 2 steps' in html
    assert 'test set (test.json)' in html
    # After the validation, after training (the test is still to come), after the test.
    assert result.stdout.count('INFO - report: ') == 3


def test_report_by_config_option_alone(project: Path, repository: Path) -> None:
    pytest.importorskip('plotly', reason='pip install dts[report]')
    result = run_script(
        repository / 'tools/train.py', 'toy.py', '--work-dir', 'option', '--cfg-options',
        'train_cfg.max_iters=1', 'final_test=False', 'default_hooks.report.type=dts.ReportHook',
        'default_hooks.report.num_images=0', folder=project,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-3000:]
    assert 'not asked for (--images 0)' in (project / 'option/report.html').read_text()


@pytest.mark.parametrize(
    ('flag', 'package', 'command'),
    [
        ('--tensorboard', 'tensorboard', 'pip install tensorboard'),
        ('--report', 'plotly', 'pip install plotly jinja2'),
    ],
)
def test_missing_package_of_a_flag_ends_in_one_line(
    project: Path, repository: Path, monkeypatch: pytest.MonkeyPatch,
    flag: str, package: str, command: str,
) -> None:  # fmt: skip
    pretend(monkeypatch, **{package: False})
    script = repository / 'tools/train.py'
    result = run_script(script, 'toy.py', flag, '--work-dir', 'none', folder=project)
    assert result.returncode == 2, result.stderr[-3000:]
    assert 'Traceback' not in result.stderr
    (line,) = [x for x in result.stderr.splitlines() if x.startswith('error: ')]
    assert package in line
    assert line.endswith(command)
