"""HRDA against loops over its windows, sums made by hand, and the rules of a plain segmentor."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.model import BaseModule
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

import dts.models.daformer_head
import dts.models.deeplabv2_head  # noqa: F401 - registers the heads
from dts.losses.cross_entropy import cross_entropy
from dts.models.hrda import HRDAEncoderDecoder
from dts.registry import MODELS
from dts.segmentor import Box, all_logits, decode, decode_logits, encode
from dts.teachers.teacher import Teacher

MODEL_FILES = Path(__file__).parents[2] / 'configs/_base_/models'
WINDOW, STRIDE = 32, 4


@MODELS.register_module(force=True)
class PatchBackbone(BaseModule):
    """Two levels, 4 and 8 pixels apart, with BatchNorm; remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Sequential(nn.Conv2d(3, 6, 5, 4, 2), nn.BatchNorm2d(6), nn.ReLU())
        self.coarse = nn.Conv2d(6, 8, 3, 2, 1)
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        self.shapes.append(tuple(images.shape))
        fine = self.fine(images)
        return fine, self.coarse(fine)


def hrda(**kwargs: Any) -> HRDAEncoderDecoder:
    settings = dict(
        backbone=dict(type='dts.PatchBackbone'),
        decode_head=dict(
            type='dts.DAFormerHead',
            in_channels=[6, 8],
            in_index=[0, 1],
            channels=5,
            dilations=(1, 2),
            dropout_ratio=0.0,
            num_classes=3,
            norm_cfg=dict(type='BN'),
            loss_decode=dict(type='mmseg.CrossEntropyLoss', loss_weight=1.0),
        ),
        attention_head=dict(dilations=()),
        detail_size=(WINDOW, WINDOW),
        test_cfg=Config(dict(mode='whole')),
    )
    model = HRDAEncoderDecoder(**{**settings, **kwargs})
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
        elif isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=0.3)
    return model.eval()


def attend(model: HRDAEncoderDecoder, logit: float) -> None:
    """Give the scale attention one value everywhere: 40 is a = 1, -40 is a = 0."""
    nn.init.zeros_(model.attention_head.conv_seg.weight)
    nn.init.constant_(model.attention_head.conv_seg.bias, logit)


def scores_of(model: HRDAEncoderDecoder, images: Tensor) -> Tensor:
    """What the backbone and the head say of images as they are."""
    return model.decode_head(model.backbone(images))


def upsample(maps: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(maps, size, mode='bilinear', align_corners=False)


def context_of(model: HRDAEncoderDecoder, images: Tensor) -> Tensor:
    height, width = images.shape[-2:]
    return scores_of(model, upsample(images, (height // 2, width // 2)))


@torch.no_grad()
def test_prediction_without_attention_is_the_context() -> None:
    model, images = hrda(), torch.randn(2, 3, 64, 64)
    attend(model, -40.0)
    expected = upsample(upsample(context_of(model, images), (16, 16)), (64, 64))
    torch.testing.assert_close(decode_logits(model, images), expected)


@torch.no_grad()
def test_prediction_with_full_attention_is_the_mean_over_nine_windows() -> None:
    model, images = hrda(), torch.randn(2, 3, 64, 64)
    attend(model, 40.0)
    total, count = torch.zeros(2, 3, 16, 16), torch.zeros(16, 16)
    for top in (0, 16, 32):
        for left in (0, 16, 32):
            window = images[..., top : top + 32, left : left + 32]
            rows, columns = (
                slice(top // 4, top // 4 + 8),
                slice(left // 4, left // 4 + 8),
            )
            total[..., rows, columns] += scores_of(model, window)
            count[rows, columns] += 1
    model.backbone.shapes.clear()
    torch.testing.assert_close(decode_logits(model, images), upsample(total / count, (64, 64)))
    assert model.backbone.shapes == [(2, 3, 32, 32), (9 * 2, 3, 32, 32)]  # context, all windows


@torch.no_grad()
@pytest.mark.parametrize(('at_once', 'num_forwards'), [(1, 9), (4, 3), (9, 1), (20, 1)])
def test_windows_in_parts_give_the_same_prediction(at_once: int, num_forwards: int) -> None:
    model, images = hrda(), torch.randn(2, 3, 64, 64)
    expected = decode_logits(model, images)
    model.windows_per_forward = at_once
    model.backbone.shapes.clear()
    torch.testing.assert_close(decode_logits(model, images), expected)
    assert len(model.backbone.shapes) == 1 + num_forwards


@pytest.mark.slow
@torch.no_grad()
def test_training_scores_one_window() -> None:
    model, images = hrda(), torch.randn(2, 3, 64, 96)
    attend(model, 40.0)
    seen = set()
    for seed in range(40):
        random.seed(seed)
        decoded, detail = all_logits(model, images)
        box = detail.box
        seen.add(box)
        assert (decoded.name, decoded.weight, decoded.box) == ('decode', 0.9, None)
        assert (detail.name, detail.weight) == ('detail', 0.1)
        scores = scores_of(model, box.of(images))  # (2, 3, 8, 8)
        torch.testing.assert_close(detail.logits, upsample(scores, (WINDOW, WINDOW)))
        assert decoded.logits.shape == (2, 3, 64, 96)
        # Two scores away from the border of the window, where neither upsampling reaches out.
        inner = Box(box.top + 8, box.bottom - 8, box.left + 8, box.right - 8)
        near = detail.logits[..., 8:-8, 8:-8]
        torch.testing.assert_close(inner.of(decoded.logits), near)
    assert {box.top for box in seen} == {0, 8, 16, 24, 32}
    assert {box.left for box in seen} == set(range(0, 72, 8))
    assert all(box[1] - box[0] == box[3] - box[2] == WINDOW for box in seen)


@torch.no_grad()
def test_training_without_attention_scores_the_context() -> None:
    model, images = hrda(), torch.randn(2, 3, 64, 64)
    attend(model, -40.0)
    expected = upsample(upsample(context_of(model, images), (16, 16)), (64, 64))
    torch.testing.assert_close(all_logits(model, images)[0].logits, expected)


@pytest.mark.slow
def test_released_draws_never_reach_the_last_corner() -> None:
    model = hrda(include_last_corner=False)
    images = torch.randn(1, 3, 64, 64)
    boxes = [all_logits(model, images)[1].box for _ in range(60)]
    assert {box.top for box in boxes} == {box.left for box in boxes} == {0, 8, 16, 24}


def test_gradients_reach_both_paths_and_the_attention() -> None:
    model = hrda()
    images = torch.randn(2, 3, 64, 64, requires_grad=True)
    decoded, detail = all_logits(model, images)
    (by_detail,) = torch.autograd.grad(detail.logits.square().sum(), images, retain_graph=True)
    assert detail.box.of(by_detail).abs().sum() > 0
    outside = torch.ones(64, 64, dtype=torch.bool)
    detail.box.of(outside)[:] = False
    assert by_detail[..., outside].abs().sum() == 0  # the window alone
    (by_fused,) = torch.autograd.grad(decoded.logits.square().sum(), images, retain_graph=True)
    assert by_fused[..., outside].abs().sum() > 0  # the context
    decoded.logits.square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def labels_of(samples: list[SegDataSample]) -> Tensor:
    return torch.stack([sample.gt_sem_seg.data[0] for sample in samples])


def labeled_samples(num: int = 2, size: tuple[int, int] = (64, 64)) -> list[SegDataSample]:
    return [
        SegDataSample(
            gt_sem_seg=PixelData(data=torch.randint(0, 3, (1, *size))),
            metainfo=dict(img_shape=size, ori_shape=size, pad_shape=size),
        )
        for _ in range(num)
    ]


def test_labels_and_weights_are_cut_to_the_window() -> None:
    model, images = hrda(), torch.randn(2, 3, 64, 64)
    labels = labels_of(labeled_samples())
    weights = torch.rand(2, 64, 64)
    decoded, detail = all_logits(model, images)
    top, bottom, left, right = detail.box
    torch.testing.assert_close(detail.crop(labels), labels[:, top:bottom, left:right])
    by_hand = cross_entropy(
        detail.logits,
        labels[:, top:bottom, left:right],
        pixel_weight=weights[:, top:bottom, left:right],
    )
    by_box = cross_entropy(detail.logits, detail.crop(labels), pixel_weight=detail.crop(weights))
    torch.testing.assert_close(by_box, by_hand)
    assert decoded.crop(labels) is labels


def test_loss_of_mmseg_is_nine_tenths_fused_and_one_tenth_detail() -> None:
    model, images, samples = hrda(), torch.randn(2, 3, 64, 64), labeled_samples()
    random.seed(5)
    decoded, detail = all_logits(model, images)
    random.seed(5)
    losses = model.loss(images, samples)
    labels = labels_of(samples)
    top, bottom, left, right = detail.box
    expected = 0.9 * F.cross_entropy(decoded.logits, labels)
    torch.testing.assert_close(losses['decode.loss_ce'], expected)
    expected = 0.1 * F.cross_entropy(detail.logits, labels[:, top:bottom, left:right])
    torch.testing.assert_close(losses['detail.loss_ce'], expected)
    assert 0 <= float(losses['detail.acc_seg']) <= 100


def test_weights_of_the_losses_multiply_with_that_of_the_head() -> None:
    model = hrda(detail_weight=0.25)
    model.decode_head.loss_decode.loss_weight = 2.0
    heads = all_logits(model, torch.randn(1, 3, 64, 64))
    assert [head.weight for head in heads] == [1.5, 0.5]


def test_features_are_those_of_the_context() -> None:
    model, images = hrda(), torch.randn(2, 3, 64, 64)
    expected = model.backbone(upsample(images, (32, 32)))
    features = encode(model, images)
    for ours, theirs in zip(features, expected, strict=True):
        torch.testing.assert_close(ours, theirs)
    halved = encode(model, images, lambda seen: [seen])[0]  # what a reference encoder is shown
    torch.testing.assert_close(halved, upsample(images, (32, 32)))
    random.seed(3)
    expected = all_logits(model, images)
    random.seed(3)
    model.backbone.shapes.clear()
    for ours, theirs in zip(decode(model, features, images), expected, strict=True):
        torch.testing.assert_close(ours.logits, theirs.logits)
    assert model.backbone.shapes == [(2, 3, WINDOW, WINDOW)]  # the context is not run again


@torch.no_grad()
def test_whole_and_sliding_inference_of_mmseg() -> None:
    model, images = hrda(), torch.randn(1, 3, 64, 128)
    sample = labeled_samples(1, (64, 128))
    predicted = model.predict(images, sample)[0].seg_logits.data
    torch.testing.assert_close(predicted, decode_logits(model, images)[0])
    torch.testing.assert_close(model.encode_decode(images, [{}]), predicted[None])
    raw = model(images, mode='tensor')
    torch.testing.assert_close(upsample(raw, (64, 128)), predicted[None])

    model.test_cfg = Config(dict(mode='slide', crop_size=(64, 64), stride=(32, 32)))
    total, count = torch.zeros(1, 3, 64, 128), torch.zeros(64, 128)
    for left in (0, 32, 64):
        total[..., left : left + 64] += decode_logits(model, images[..., left : left + 64])
        count[:, left : left + 64] += 1
    predicted = model.predict(images, labeled_samples(1, (64, 128)))[0].seg_logits.data
    torch.testing.assert_close(predicted, (total / count)[0])


@torch.no_grad()
@pytest.mark.parametrize('size', [(50, 75), (20, 28), (8, 8)])
def test_images_of_any_size_are_predicted(size: tuple[int, int]) -> None:
    model, images = hrda(), torch.randn(1, 3, *size)
    height, width = (-(-extent // 8) * 8 for extent in size)
    padded = torch.zeros(1, 3, height, width)
    padded[..., : size[0], : size[1]] = images
    scores = decode_logits(model, images)
    expected = decode_logits(model, padded)[..., : size[0], : size[1]]
    assert scores.shape[-2:] == size
    torch.testing.assert_close(scores, expected)


def test_nothing_of_a_call_is_kept() -> None:
    model, images = hrda(), torch.randn(1, 3, 64, 64)
    teacher = Teacher(model)
    model.backbone.shapes = teacher.segmentor.backbone.shapes = []
    before = [dict(vars(module)) for module in model.modules()]
    expected = teacher.logits(images)
    first = all_logits(model, images)
    torch.testing.assert_close(teacher.logits(images), expected)
    random.seed(1)
    all_logits(teacher.segmentor, images)
    assert first[1].box.of(images).shape == (1, 3, WINDOW, WINDOW)
    assert [dict(vars(module)) for module in model.modules()] == before
    names = {name.partition('.')[0] for name in model.state_dict()}
    assert names == {'backbone', 'decode_head', 'attention_head'}
    assert copy.deepcopy(model).state_dict().keys() == model.state_dict().keys()


def test_attention_head_is_the_lighter_copy() -> None:
    model = hrda()
    assert model.attention_head.num_classes == 3
    assert hasattr(model.decode_head.fuse_layer, 'aspp_modules')
    assert not hasattr(model.attention_head.fuse_layer, 'aspp_modules')


def test_mistakes_are_named() -> None:
    auxiliary_head = dict(type='mmseg.FCNHead', in_channels=8, channels=4, num_classes=3)
    with pytest.raises(ValueError, match='no auxiliary head'):
        hrda(auxiliary_head=auxiliary_head)
    with pytest.raises(ValueError, match=r'multiples of 8 for stride 4, got \(32, 36\)'):
        hrda(detail_size=(32, 36))
    with pytest.raises(ValueError, match=r'multiples of 16 for stride 8'):
        hrda(detail_size=(24, 24), stride=8)
    with pytest.raises(ValueError, match=r'detail_weight must be in \[0, 1\], got 1.5'):
        hrda(detail_weight=1.5)
    with pytest.raises(ValueError, match='windows_per_forward must be at least 1, got 0'):
        hrda(windows_per_forward=0)
    with pytest.raises(ValueError, match=r'multiples of 8, got \(64, 60\)'):
        all_logits(hrda(), torch.zeros(1, 3, 64, 60))
    with pytest.raises(
        ValueError, match=r'stride=8 does not fit DAFormerHead.*\(32, 32\).*\(8, 8\)'
    ):
        decode_logits(hrda(stride=8), torch.zeros(1, 3, 64, 64))


def from_base_config(name: str) -> nn.Module:
    config = Config.fromfile(MODEL_FILES / f'{name}.py', format_python_code=False).model
    config.backbone.init_cfg = None
    if config.backbone.type == 'MixVisionTransformer':
        config.backbone.num_layers = [1, 1, 1, 1]  # the blocks of a stage are equal
    return MODELS.build(config)


@pytest.mark.slow
@pytest.mark.parametrize('name', ['toy', 'hrda_lite0', 'hrda_mit-b5'])
def test_steps_run_on_tensors_without_data(name: str) -> None:
    model = hrda() if name == 'toy' else from_base_config(name)
    model = model.train().to('meta')
    teacher = Teacher(model)
    with FakeTensorMode(allow_non_fake_inputs=True):
        images = torch.randn(2, 3, 128, 128, device='meta')
        labels = teacher.logits(images).argmax(dim=1)
        weights = torch.rand(2, 128, 128, device='meta')
        losses = [
            head.weight
            * cross_entropy(head.logits, head.crop(labels), pixel_weight=head.crop(weights))
            for head in all_logits(model, images)
        ]
        sum(losses).backward()
    assert len(losses) == (2 if isinstance(model, HRDAEncoderDecoder) else 1)
    assert all(parameter.grad is not None for parameter in model.parameters())


@torch.no_grad()
def test_a_neck_serves_context_and_detail() -> None:
    neck = dict(type='mmseg.FPN', in_channels=[6, 8], out_channels=4, num_outs=2)
    head = dict(
        type='mmseg.FCNHead',
        in_channels=4,
        in_index=0,
        channels=4,
        num_convs=0,
        concat_input=False,
        num_classes=3,
    )
    model = hrda(neck=neck, decode_head=head, attention_head=None)
    images = torch.randn(1, 3, 64, 64)
    levels = model.neck(model.backbone(upsample(images, (32, 32))))
    for ours, theirs in zip(model.extract_feat(images), levels, strict=True):
        torch.testing.assert_close(ours, theirs)
    attend(model, -40.0)
    expected = upsample(upsample(model.decode_head(levels), (16, 16)), (64, 64))
    torch.testing.assert_close(decode_logits(model, images), expected)
    attend(model, 40.0)
    detail = all_logits(model, images)[1]
    window = model.decode_head(model.neck(model.backbone(detail.box.of(images))))
    torch.testing.assert_close(detail.logits, upsample(window, (WINDOW, WINDOW)))


def test_a_stride_of_eight_serves_deeplabv2() -> None:
    head = dict(
        type='dts.DeepLabV2Head',
        in_channels=8,
        in_index=-1,
        dilations=(1, 2),
        num_classes=3,
        loss_decode=dict(type='mmseg.CrossEntropyLoss'),
    )
    model = HRDAEncoderDecoder(
        dict(type='dts.PatchBackbone'), head, detail_size=(32, 32), stride=8
    ).eval()
    images = torch.randn(1, 3, 64, 64)
    assert decode_logits(model, images).shape == (1, 3, 64, 64)
    boxes = [all_logits(model, images)[1].box for _ in range(40)]
    assert {box.top for box in boxes} == {0, 16, 32}
