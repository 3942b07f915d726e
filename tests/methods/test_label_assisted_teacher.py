"""First stage of LAD: its loss by loop, stop gradients, statistics, and labels that are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from dts.distill.losses.boundary_split import BoundarySplitKD
from dts.label_assisted.views import ZeroedCode
from dts.methods.base import stack_labels
from dts.registry import MODELS
from toys import strip_data, toy_batch, toy_segmentor_config

MODEL_FILES = Path(__file__).parents[2] / 'configs/_base_/models'
CODES = dict(type='dts.LabelCodes', family='gaussian')


def segmentor_config(name: str = 'toy', codes: dict = CODES) -> dict[str, Any]:
    if name == 'one_layer':
        config = toy_segmentor_config()
    elif name == 'toy':
        config = toy_segmentor_config()
        # scores at a quarter of the size of the input, and an auxiliary head
        config.backbone = dict(
            type='mmseg.ResNetV1c',
            depth=18,
            stem_channels=8,
            base_channels=4,
            num_stages=1,
            out_indices=(0,),
            strides=(1,),
            dilations=(1,),
        )
        config.decode_head.update(in_channels=4, channels=4)
        head = dict(config.decode_head)
        head['loss_decode'] = dict(type='mmseg.CrossEntropyLoss', loss_weight=0.4)
        config.auxiliary_head = head
    else:
        config = Config.fromfile(MODEL_FILES / f'{name}.py', format_python_code=False).model
        config.backbone.init_cfg = None
        config.data_preprocessor.size_divisor = 1
        config.decode_head.num_classes = 3
    config.type = 'dts.LabelAssistedEncoderDecoder'
    config.codes = codes
    return config


def method(name: str = 'toy', codes: dict = CODES, **kwargs: Any) -> Any:
    config = dict(type='dts.LabelAssistedTeacher', student=segmentor_config(name, codes), **kwargs)
    model = MODELS.build(config).train()
    model.init_weights()
    return model


def some_batch(size: tuple[int, int] = (16, 24), all_ignored: bool = False) -> tuple[dict, dict]:
    batch = toy_batch(num_unlabeled=0, size=size)
    for index, sample in enumerate(batch['data_samples']['labeled']):
        labels = sample.gt_sem_seg.data
        labels[:, :, : size[1] if all_ignored else 5 * index] = 255
    images = torch.stack(batch['inputs']['labeled']).float() / 127.5 - 1
    return {'labeled': images}, batch['data_samples']


def cwd(student: Tensor, teacher: Tensor, labels: Tensor, temperature: float = 4.0) -> Tensor:
    """Channel-wise distillation over pixels that are not ignored, image by image."""
    terms = []
    for image in range(len(student)):
        cells = labels[image][None, None].float()
        cells = F.interpolate(cells, student.shape[2:], mode='nearest-exact')
        valid = cells[0, 0] != 255
        for channel in range(student.shape[1]):
            p = (teacher[image, channel][valid] / temperature).softmax(0)
            q = (student[image, channel][valid] / temperature).softmax(0)
            terms.append((p * (p / q).log()).sum())
    return temperature**2 * torch.stack(terms).mean()


def raw_scores(model: Any, coded: Tensor) -> tuple[Tensor, Tensor]:
    """Scores of decode head and auxiliary head, before upsampling."""
    features = model.student.backbone(coded)
    return model.student.decode_head(features), model.student.auxiliary_head(features)


@pytest.mark.parametrize('paths', ['sequential', 'batched'])
def test_loss_and_gradient_equal_the_formula(paths, monkeypatch):
    model = method(paths=paths).double()
    inputs, samples = some_batch()
    images = inputs['labeled'].double()
    labels = stack_labels(samples['labeled'])
    codes = [model.student.with_code(images, labels) for _ in range(2)]
    queue = list(codes)
    monkeypatch.setattr(model.student, 'with_code', lambda *args: queue.pop(0))
    statistics = {name: b.clone() for name, b in model.named_buffers()}
    losses = model.loss({'labeled': images}, samples)
    sum(losses.values()).backward()
    actual = {name: p.grad.clone() for name, p in model.named_parameters()}

    model.zero_grad()
    for name, buffer in model.named_buffers():
        buffer.copy_(statistics[name])
    if paths == 'sequential':
        (z1, aux1), (z2, aux2) = (raw_scores(model, coded) for coded in codes)
    else:
        (z1, z2), (aux1, aux2) = (s.chunk(2) for s in raw_scores(model, torch.cat(codes)))
    assert z1.shape[-2:] == (4, 6)

    def ce(scores: Tensor) -> Tensor:
        upsampled = F.interpolate(scores, (16, 24), mode='bilinear', align_corners=False)
        return F.cross_entropy(upsampled, labels, ignore_index=255)

    task = ce(z1) + 0.4 * ce(aux1) + ce(z2) + 0.4 * ce(aux2)
    consistency = cwd(z1, z2.detach(), labels) + cwd(z2, z1.detach(), labels)
    expected = task + 5.0 * consistency
    assert consistency > 0
    torch.testing.assert_close(losses['loss_consistency'], 5.0 * consistency)
    torch.testing.assert_close(sum(losses.values()), expected)
    expected.backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(actual[name], parameter.grad)


def test_no_gradient_passes_the_stop(monkeypatch):
    """The second argument is constant for any distance, also for one that stops nothing itself."""
    model = method()
    pairs = []

    def distance(one: Tensor, other: Tensor, valid: Tensor) -> Tensor:
        pairs.append((one, other))
        return (one - other).square().mean()

    monkeypatch.setattr(model.consistency, 'forward', distance)
    model.loss(*some_batch())['loss_consistency'].backward()
    assert [(one.requires_grad, other.requires_grad) for one, other in pairs] == [(True, False)] * 2
    assert torch.equal(pairs[0][0], pairs[1][1])
    assert torch.equal(pairs[0][1], pairs[1][0])


def test_another_ignored_label_has_the_code_of_none_and_is_left_out():
    """Class 2 of 3 as the ignored label, against 255 in its place."""
    losses = []
    for ignored in (255, 2):
        torch.manual_seed(3)
        criterion = dict(type='dts.CrossEntropy', ignore_index=ignored)
        codes = dict(CODES, family='fixed_ramp', ignore_index=ignored)
        model = method(codes=codes, criterion=criterion).double()
        inputs, samples = some_batch()
        for sample in samples['labeled']:
            labels = sample.gt_sem_seg.data
            labels.copy_(labels.where(labels < 2, torch.tensor(ignored)))
        torch.manual_seed(4)
        losses.append(model.loss({'labeled': inputs['labeled'].double()}, samples))
    for name, value in losses[0].items():
        assert value > 0
        torch.testing.assert_close(losses[1][name], value, rtol=0, atol=0)
    with pytest.raises(
        ValueError, match=r'codes takes the label 255 for ignored, the criterion 2:'
    ):
        method(criterion=dict(type='dts.CrossEntropy', ignore_index=2))


def test_the_consistency_may_ask_for_labels(monkeypatch):
    model = method(consistency=dict(type='dts.BoundarySplitKD', radius=1)).double()
    inputs, samples = some_batch()
    images, labels = inputs['labeled'].double(), stack_labels(samples['labeled'])
    codes = [model.student.with_code(images, labels) for _ in range(2)]
    queue = list(codes)
    monkeypatch.setattr(model.student, 'with_code', lambda *args: queue.pop(0))
    actual = model.loss({'labeled': images}, samples)['loss_consistency']
    z1, z2 = (raw_scores(model, coded)[0] for coded in codes)
    valid = F.interpolate(labels[:, None].float(), z1.shape[2:], mode='nearest-exact')[:, 0] != 255
    loss = BoundarySplitKD(1)
    expected = loss(z1, z2, valid, labels) + loss(z2, z1, valid, labels)
    assert expected > 0
    torch.testing.assert_close(actual, 5.0 * expected)


def test_swapping_the_paths_leaves_the_consistency(monkeypatch):
    model = method().double()
    inputs, samples = some_batch()
    images, labels = inputs['labeled'].double(), stack_labels(samples['labeled'])
    codes = [model.student.with_code(images, labels) for _ in range(2)]
    values = []
    for order in ((0, 1), (1, 0), (0, 0)):
        queue = [codes[i] for i in order]
        monkeypatch.setattr(model.student, 'with_code', lambda *args, queue=queue: queue.pop(0))
        values.append(model.loss({'labeled': images}, samples)['loss_consistency'])
    torch.testing.assert_close(values[0], values[1])
    assert values[0] > 1e-6
    assert abs(values[2]) < 1e-12  # equal codes, equal scores


@pytest.mark.parametrize(('paths', 'updates'), [('sequential', 2), ('batched', 1)])
def test_statistics_of_batchnorm_move_once_per_forward(paths, updates):
    model = method(paths=paths)
    model.loss(*some_batch())
    counts = [b for name, b in model.named_buffers() if name.endswith('num_batches_tracked')]
    assert counts
    assert all(count == updates for count in counts)


@pytest.mark.parametrize('paths', ['sequential', 'batched'])
def test_an_ignored_crop_teaches_nothing(paths):
    model = method(paths=paths)
    losses = model.loss(*some_batch(all_ignored=True))
    total = sum(losses.values())
    assert total == 0
    total.backward()
    assert all(not p.grad.any() for p in model.parameters() if p.grad is not None)


def test_terms_are_named_by_path_and_head():
    model = method()
    losses = model.loss(*some_batch())
    terms = [f'path_{i}.{head}.loss_ce' for i in (1, 2) for head in ('decode', 'aux')]
    assert list(losses) == [*terms, 'loss_consistency']
    model.parse_losses(losses)


def test_a_cascade_is_compared_at_its_last_head():
    config = segmentor_config()
    first = config.decode_head
    last = {**first, 'type': 'mmseg.OCRHead', 'ocr_channels': 4, 'dropout_ratio': 0.0}
    last = {k: v for k, v in last.items() if k not in ('num_convs', 'concat_input')}
    config.update(
        type='dts.LabelAssistedCascadeEncoderDecoder', num_stages=2, decode_head=[first, last]
    )
    del config['auxiliary_head']
    model = MODELS.build(dict(type='dts.LabelAssistedTeacher', student=config)).train()
    model.init_weights()
    for head in model.student.decode_head:
        torch.nn.init.normal_(head.conv_seg.weight, std=3.0)
    inputs, samples = some_batch()
    images, labels = inputs['labeled'], stack_labels(samples['labeled'])
    torch.manual_seed(1)
    losses = model.loss(inputs, samples)
    torch.manual_seed(1)
    codes = [model.student.with_code(images, labels) for _ in range(2)]
    z1, z2 = (model.student(coded) for coded in codes)
    expected = 5.0 * (cwd(z1, z2, labels) + cwd(z2, z1, labels))
    assert expected > 0.01
    torch.testing.assert_close(losses['loss_consistency'], expected, atol=1e-5, rtol=1e-3)


@pytest.mark.slow
def test_the_network_learns_to_read_the_labels():
    """Images are noise: what is learned comes from the code, and is gone without it."""
    codes = dict(type='dts.LabelCodes', family='one_hot')
    model = method('one_layer', codes)
    wrapper = OptimWrapper(torch.optim.Adam(model.parameters(), lr=0.05))
    batch = toy_batch(num_labeled=4, num_unlabeled=0, size=(16, 16))
    blocks = torch.randint(0, 3, (4, 1, 4, 4)).float()
    blocks = F.interpolate(blocks, (16, 16)).long()
    for sample, labels in zip(batch['data_samples']['labeled'], blocks, strict=True):
        sample.gt_sem_seg.data = labels
    for _ in range(30):
        model.train_step(batch, wrapper)
    shown = dict(inputs=batch['inputs']['labeled'], data_samples=batch['data_samples']['labeled'])
    model.student.eval()
    scores = []
    for network in (model.student, ZeroedCode(model.student)):
        predictions = torch.stack([s.pred_sem_seg.data for s in network.val_step(shown)])
        scores.append((predictions == blocks).float().mean().item())
    assert scores[0] > 0.8
    assert scores[1] < 0.6


def test_step_under_bfloat16_autocast_is_finite():
    model = method()
    inputs, samples = some_batch()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = model.loss(inputs, samples)
    model.parse_losses(losses)[0].backward()
    assert all(value.isfinite() and value.dtype == torch.float32 for value in losses.values())
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


@pytest.mark.slow
@pytest.mark.parametrize('family', ['gaussian', 'permuted_ramp', 'fixed_ramp', 'one_hot'])
@pytest.mark.parametrize('paths', ['sequential', 'batched'])
def test_step_runs_on_tensors_without_data(family, paths):
    codes = dict(type='dts.LabelCodes', family=family, channel_drop=0.1)
    assert_runs_without_data('one_layer', codes, paths)


@pytest.mark.slow
def test_step_of_the_small_model_runs_on_tensors_without_data():
    assert_runs_without_data('fpn_lite0', CODES, 'sequential')


def assert_runs_without_data(name: str, codes: dict, paths: str) -> None:
    """Forward, backward and optimizer under fake tensors: reading a value raises there."""
    config = dict(
        type='dts.LabelAssistedTeacher', student=segmentor_config(name, codes), paths=paths
    )
    model = MODELS.build(config).train().to('meta')
    wrapper = OptimWrapper(torch.optim.AdamW(model.parameters()))
    batch = toy_batch(num_unlabeled=0, size=(64, 64))
    with FakeTensorMode(allow_non_fake_inputs=True):
        strip_data(batch)
        logged = model.train_step(batch, wrapper)
    assert all(value.device.type == 'meta' for value in logged.values())


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(student=toy_segmentor_config()), r'sees labels, got a EncoderDecoder: set .*codes='),
        (dict(consistency_weight=-1.0), r'consistency_weight must be a number >= 0, got -1.0'),
        (dict(paths='parallel'), r"paths must be one of .*'batched'.* got 'parallel'"),
    ],
)
def test_wrong_options_are_refused(options, message):
    config = dict(type='dts.LabelAssistedTeacher', student=segmentor_config())
    with pytest.raises(ValueError, match=message):
        MODELS.build({**config, **options})
