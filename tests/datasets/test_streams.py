"""A sample is a pure function of its index."""

import random

import cv2
import numpy as np
import pytest
import torch

import dts.datasets.transforms.rare_class_crop  # noqa: F401 - in a package it comes with `dts.all`
from dts.datasets.branches import collate_branches
from dts.datasets.sampler import SampleIndex
from dts.datasets.streams import StreamDataset, seeded
from dts.registry import TRANSFORMS

CLASSES = dict(classes=('background', 'thing'), palette=[[0, 0, 0], [255, 0, 0]])


def stream_config(root, pipeline, names=None, **kwargs):
    return dict(
        type='mmseg.BaseSegDataset',
        data_root=str(root),
        data_prefix=dict(img_path='images', seg_map_path='masks'),
        img_suffix='.png',
        metainfo=CLASSES,
        pipeline=pipeline,
        **kwargs,
    )


@pytest.fixture
def root(tmp_path):
    rng = np.random.default_rng(0)
    for folder in ('images', 'masks'):
        (tmp_path / folder).mkdir()
    for name in 'abc':
        cv2.imwrite(str(tmp_path / f'images/{name}.png'), rng.integers(0, 256, (24, 32, 3)))
        cv2.imwrite(str(tmp_path / f'masks/{name}.png'), rng.integers(0, 2, (24, 32)))
    return tmp_path


LABELED = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomCrop', crop_size=(16, 16)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='dts.Branches', branches=dict(labeled=[dict(type='PackSegInputs')])),
]
UNLABELED = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomCrop', crop_size=(16, 16)),
    dict(
        type='dts.Branches',
        branches=dict(
            unlabeled_weak=[dict(type='PackSegInputs')],
            unlabeled_strong=[
                dict(type='PhotoMetricDistortion'),
                dict(type='PackSegInputs'),
            ],
        ),
    ),
]


@pytest.fixture
def dataset(root):
    return StreamDataset(
        dict(labeled=stream_config(root, LABELED), unlabeled=stream_config(root, UNLABELED))
    )


@pytest.mark.slow
def test_a_sample_depends_on_its_index_alone(dataset):
    index = SampleIndex('labeled', 1, 1234)
    first = dataset[index]
    random.seed(99)
    np.random.seed(99)
    torch.manual_seed(99)
    dataset[SampleIndex('unlabeled', 0, 5)]
    second = dataset[index]
    assert torch.equal(first['inputs']['labeled'], second['inputs']['labeled'])
    other = [dataset[SampleIndex('labeled', 1, seed)]['inputs']['labeled'] for seed in range(8)]
    assert len({tuple(image.flatten().tolist()) for image in other}) > 4


@pytest.mark.slow
def test_loading_leaves_the_generators_of_the_process_alone(dataset):
    def draws():
        return random.random(), np.random.rand(), torch.rand(1).item()

    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    expected = draws()
    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    dataset[SampleIndex('unlabeled', 0, 7)]
    assert draws() == expected


def test_seeded_restores_after_an_error():
    np.random.seed(3)
    expected = np.random.rand()
    np.random.seed(3)
    with pytest.raises(RuntimeError), seeded(5):
        raise RuntimeError
    assert np.random.rand() == expected


@pytest.mark.slow
def test_unlabeled_streams_never_open_a_label_file(dataset, root):
    for mask in (root / 'masks').iterdir():
        mask.unlink()
    sample = dataset[SampleIndex('unlabeled', 2, 0)]
    assert 'gt_sem_seg' not in sample['data_samples']['unlabeled_weak']


@pytest.mark.slow
def test_weak_and_strong_view_share_their_geometry(dataset, root):
    for seed in range(5):
        views = dataset[SampleIndex('unlabeled', 0, seed)]['inputs']
        image = torch.from_numpy(cv2.imread(str(root / 'images/a.png'))).permute(2, 0, 1)
        places = [
            (y, x)
            for y in range(9)
            for x in range(17)
            if torch.equal(image[:, y : y + 16, x : x + 16], views['unlabeled_weak'])
        ]
        assert len(places) == 1  # the weak view is an untouched crop
        weak = views['unlabeled_weak'].float().flatten()
        strong = views['unlabeled_strong'].float().flatten()
        correlation = torch.corrcoef(torch.stack([weak, strong]))[0, 1]
        assert correlation > 0.5  # the strong view is the same crop under other colors


@pytest.mark.slow
def test_the_drawn_class_reaches_the_crop(root):
    mask = np.zeros((24, 32), np.uint8)
    mask[:4, :4] = 1
    cv2.imwrite(str(root / 'masks/a.png'), mask)
    crop = dict(type='dts.RareClassCrop', crop_size=(8, 8), min_pixels=0)
    stream = StreamDataset(dict(source=stream_config(root, [*LABELED[:2], crop, LABELED[-1]])))
    shown = {
        drawn_class: np.mean(
            [
                (stream[index]['data_samples']['labeled'].gt_sem_seg.data == 1).any()
                for index in (SampleIndex('source', 0, seed, drawn_class) for seed in range(40))
            ]
        )
        for drawn_class in (None, 1)
    }
    # 16 of 425 places show the class; one of 11 crops does in a third of the cases
    assert shown[None] < 0.15
    assert shown[1] > 0.2


@pytest.mark.slow
def test_collate_keeps_order_and_branches_apart(dataset):
    indices = [
        SampleIndex('labeled', 0, 1),
        SampleIndex('unlabeled', 1, 2),
        SampleIndex('labeled', 2, 3),
    ]
    samples = [dataset[index] for index in indices]
    batch = collate_branches(samples)
    assert {name: len(images) for name, images in batch['inputs'].items()} == {
        'labeled': 2,
        'unlabeled_weak': 1,
        'unlabeled_strong': 1,
    }
    assert batch['inputs']['labeled'][1] is samples[2]['inputs']['labeled']
    assert batch['data_samples']['labeled'][1] is samples[2]['data_samples']['labeled']


def test_branches_do_not_see_each_other():
    transform = TRANSFORMS.build(UNLABELED[-1])
    image = np.zeros((4, 4, 3), np.uint8) + 100
    results = dict(img=image, img_path='a', ori_shape=(4, 4), img_shape=(4, 4))
    packed = transform(dict(results))
    assert (packed['inputs']['unlabeled_weak'] == 100).all()
    assert (image == 100).all()


@pytest.mark.slow
def test_errors_name_the_stream(root):
    empty = stream_config(root, LABELED, indices=[])
    (root / 'none').mkdir()
    empty['data_prefix'] = dict(img_path='none', seg_map_path='masks')
    empty.pop('indices')
    with pytest.raises(ValueError, match=r"'unlabeled'.*holds no image"):
        StreamDataset(dict(labeled=stream_config(root, LABELED), unlabeled=empty))
    (root / 'empty.txt').write_text('\n')
    empty.update(type='dts.CamVidDataset', ann_file='empty.txt')
    empty.pop('metainfo')
    with pytest.raises(ValueError, match=r"'unlabeled': The list .*/empty\.txt .* names no image"):
        StreamDataset(dict(labeled=stream_config(root, LABELED), unlabeled=empty))
    other = stream_config(root, UNLABELED)
    other['metainfo'] = dict(classes=('a', 'b', 'c'), palette=[[0, 0, 0]] * 3)
    with pytest.raises(ValueError, match='disagree about the classes'):
        StreamDataset(dict(labeled=stream_config(root, LABELED), unlabeled=other))
