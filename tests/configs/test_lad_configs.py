"""LAD of published size: the released settings, and one step of both stages of every pair."""

from __future__ import annotations

import functools
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper

from dts.distill.taps import LOGITS
from dts.label_assisted.stem import fill_code_slices
from dts.registry import HOOKS, MODELS
from toys import toy_batch

CONFIGS = Path(__file__).parents[2] / 'configs'
FOLDER = CONFIGS / 'lad'
SIZE = (32, 32)
NETWORKS = ('fcn_r18', 'pspnet_r18', 'deeplabv3_r18', 'stdc_stdc1', 'ocrnet_hr18')
DATA = {
    'cityscapes-512x1024': ('dts.CityscapesDataset', 19),
    'ade20k-512x512': ('dts.ADE20KDataset', 150),
    'voc2012-512x512': ('dts.VOC2012Dataset', 21),
    'coco-stuff10k-512x512': ('dts.COCOStuff10KDataset', 171),
    'coco-stuff164k-512x512': ('dts.COCOStuff164KDataset', 171),
}
PAIRS = [f'{network}_4xb4-40k_{data}' for network in NETWORKS for data in DATA]
# What the published README says of VOC; of all other pairs no score is known.
PUBLISHED = {'deeplabv3_r18': '75.0', 'pspnet_r18': '75.4'}


@functools.cache
def read_once(name: str) -> Config:
    return Config.fromfile(FOLDER / f'{name}.py', format_python_code=False)


def read(name: str) -> Config:
    return deepcopy(read_once(name))


def heads_of(student: Any) -> list[Any]:
    """Return the configs of all heads."""
    parts = [student.decode_head, student.get('auxiliary_head', [])]
    return [head for part in parts for head in (part if isinstance(part, list) else [part])]


def shrink(student: Any) -> None:
    """Make a network tiny, its depth and the wiring of its heads kept; weights become random."""
    student.data_preprocessor.size = SIZE
    backbone = student.backbone
    backbone.init_cfg = None
    if backbone.type == 'ResNetV1c':
        # oneDNN writes past its buffers in the backward pass of narrower dilated networks
        backbone.update(depth=18, base_channels=16, stem_channels=16)
        student.decode_head.update(in_channels=128, channels=16)
        student.auxiliary_head.update(in_channels=64, channels=16)
    elif backbone.type == 'HRNet':
        for number in range(1, 5):
            stage = backbone.extra[f'stage{number}']
            stage.update(num_modules=1, num_blocks=(1,) * number, num_channels=(8,) * number)
        for head in student.decode_head:
            head.update(in_channels=[8] * 4, channels=16)
        student.decode_head[1].ocr_channels = 8
    else:
        backbone.backbone_cfg.update(init_cfg=None, channels=(8, 8, 16, 16, 32))
        backbone.update(last_in_channels=(32, 16), out_channels=8)
        backbone.ffm_cfg.update(in_channels=24, out_channels=16)
        student.decode_head.update(in_channels=16, channels=16)
        for head in student.auxiliary_head:
            head.update(in_channels=8, channels=8)


def step(config: Config, method: Any) -> dict[str, float]:
    """Take one step that reaches every weight, and return what is logged."""
    wrapper = build_optim_wrapper(method, config.optim_wrapper)
    weight = [p for name, p in method.named_parameters() if name.endswith('conv_seg.weight')][-1]
    before = weight.detach().clone()
    batch = toy_batch(num_unlabeled=0, size=SIZE, num_classes=config.num_classes)
    logged = method.train_step(batch, wrapper)
    assert not torch.equal(before, weight)
    moved = wrapper.optimizer.state  # momentum, of every weight that had a gradient
    untrained = [name for name, p in method.named_parameters() if p not in moved]
    assert not untrained
    return {name: float(value.detach()) for name, value in logged.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    'pair', [p if 'voc' in p else pytest.param(p, marks=pytest.mark.slow) for p in PAIRS]
)
def test_both_stages_take_a_step(pair: str, tmp_path: Path) -> None:
    """The second stage learns from the file that the first one wrote."""
    torch.manual_seed(0)
    first = read(f'lad-teacher_{pair}')
    shrink(first.model.student)
    for head in heads_of(first.model.student):
        head.dropout_ratio = 0.0  # paths differ by their codes alone
    teacher = MODELS.build(first.model).train()
    fill_code_slices(teacher.student.stem, teacher.student.stem_init)
    logged = step(first, teacher)
    assert all(0 < value < torch.inf for name, value in logged.items() if 'loss' in name)
    num_heads = len(heads_of(first.model.student))
    terms = [name for name in logged if name.endswith('loss_ce')]
    assert len(terms) == 2 * num_heads
    assert logged['loss_consistency'] > 0
    assert teacher.student.stem.in_channels == 4
    file = tmp_path / 'teacher.pth'
    torch.save(teacher.student.state_dict(), file)

    second = read(f'lad_{pair}')
    shrink(second.model.student)
    student = MODELS.build(second.model).train()
    (entry,) = second.custom_hooks
    assert entry.config == f'configs/lad/lad-teacher_{pair}.py'
    assert (CONFIGS.parent / entry.config).is_file()
    assert entry.checkpoint == f'work_dirs/lad-teacher_{pair}/iter_{first.train_cfg.max_iters}.pth'
    hook = HOOKS.build(dict(entry, config=first.model.student, checkpoint=str(file)))
    hook.before_train(SimpleNamespace(model=student))
    logged = step(second, student)
    assert len([name for name in logged if name.endswith('loss_ce')]) == num_heads
    assert 0 < logged['distill.0.loss_kd'] < torch.inf


@pytest.mark.slow
@pytest.mark.parametrize('pair', PAIRS)
def test_settings_are_the_released_ones(pair: str) -> None:
    network, data = pair.split('_4xb4-40k_')
    dataset, num_classes = DATA[data]
    first, second = read_once(f'lad-teacher_{pair}'), read_once(f'lad_{pair}')
    crop = (512, 1024) if 'cityscapes' in data else (512, 512)
    for config in (first, second):
        student = config.model.student
        assert config.num_classes == num_classes
        assert all(head.num_classes == num_classes for head in heads_of(student))
        assert (student.data_preprocessor.size, config.crop_size) == (crop, crop)
        assert student.test_cfg == {'mode': 'whole'}
        (stream,) = config.train_dataloader.dataset.streams.values()
        assert stream.type == config.test_dataloader.dataset.type == dataset
        resize, crop_step, flip = stream.pipeline[2:5]
        assert resize.ratio_range == (0.5, 2.0)
        assert (crop_step.crop_size, crop_step.cat_max_ratio, flip.prob) == (crop, 1.0, 0.5)
        assert config.train_dataloader.batch_size == config.train_dataloader.sampler.batch.labeled
        assert config.train_dataloader.batch_size == 4
        assert config.auto_scale_lr == dict(enable=True, base_batch_size=16)
        optimizer = dict(type='SGD', lr=0.02, momentum=0.9, weight_decay=1e-4)
        assert config.optim_wrapper.optimizer == optimizer
        assert config.optim_wrapper.paramwise_cfg is None
        (decay,) = config.param_scheduler
        assert (decay.power, decay.eta_min, decay.end) == (0.9, 0.0, 40000)
        assert config.train_cfg.max_iters == 40000
        assert config.sync_bn == 'torch'
        assert config.default_hooks.checkpoint.get('save_best') is None
    check_methods(first, second, network)
    title = (FOLDER / f'lad_{pair}.py').read_text().splitlines()[0]
    score = PUBLISHED.get(network) if 'voc' in data else None
    assert (f'paper: {score} mIoU' if score else 'score of the paper not known') in title


def check_methods(first: Config, second: Config, network: str) -> None:
    """Check the numbers of both stages, and that both have one network."""
    teacher = first.model.student
    assert teacher.codes == dict(
        type='dts.LabelCodes', family='gaussian', scale=1.735, pixel_sigma=0.052
    )
    assert teacher.stem_init == 0.1
    cwd = dict(type='dts.ChannelWiseKD', temperature=4.0)
    assert (first.model.consistency, first.model.consistency_weight) == (cwd, 5.0)
    assert first.model.paths == 'sequential'
    assert first.test_cfg.models == ['teacher_with_labels', 'teacher_zeroed']
    assert first.custom_hooks == [dict(type='dts.LabelUseHook')]
    (term,) = second.model.distill
    assert (term.loss, term.weight) == (cwd, 3.0)
    logits = 'decode_head.1.conv_seg' if network == 'ocrnet_hr18' else LOGITS  # the last head's
    assert (term.get('student', LOGITS), term.get('teacher', LOGITS)) == (logits, logits)
    assert second.test_cfg.models == ['student']
    assert 'codes' not in second.custom_hooks[0]  # the hook's own are the released ones
    plain = {key: value for key, value in teacher.items() if key not in ('codes', 'stem_init')}
    kind = 'CascadeEncoderDecoder' if network == 'ocrnet_hr18' else 'EncoderDecoder'
    assert plain['type'] == f'dts.LabelAssisted{kind}'
    if network != 'ocrnet_hr18':  # which has no dropout
        assert plain['decode_head'].dropout_ratio == 0.01
        plain['decode_head'] = plain['decode_head'] | {
            'dropout_ratio': second.model.student.decode_head.dropout_ratio
        }
    assert plain | {'type': kind} == second.model.student
    base = {'stdc_stdc1': 'stdc1'}.get(network, network)
    model = Config.fromfile(CONFIGS / f'_base_/models/{base}.py', format_python_code=False).model
    assert model.backbone == second.model.student.backbone


def test_all_pairs_are_there() -> None:
    names = {path.stem for path in FOLDER.glob('*-40k_*.py')}
    assert names == {f'{stage}_{pair}' for stage in ('lad', 'lad-teacher') for pair in PAIRS}
    published = (FOLDER / 'published.md').read_text()
    for network, score in PUBLISHED.items():
        assert f'| {score} | `lad_{network}_4xb4-40k_voc2012-512x512.py` |' in published


@pytest.mark.parametrize(
    'name', ['lad_fpn_lite0_1xb4-800_camvid', 'assisted-dual-teacher_fpn_lite0_1xb4-800_camvid-1_32']
)
def test_the_teacher_was_shown_no_label_that_its_student_must_not_see(name: str) -> None:
    config = read(f'{name}-224x288')
    (hook,) = (h for h in config.custom_hooks if h.type == 'dts.LabelAssistedTeacherHook')
    first = read(Path(hook.config).stem)
    assert (CONFIGS.parent / hook.config).is_file()
    assert hook.checkpoint == f'work_dirs/{Path(hook.config).stem}/iter_800.pth'
    lists = [c.train_dataloader.dataset.streams.labeled.ann_file for c in (first, config)]
    assert lists[0] == lists[1]
    assert ('1_32' in lists[0]) == ('1_32' in name)
    assert hook.codes.family == first.model.student.codes.family
