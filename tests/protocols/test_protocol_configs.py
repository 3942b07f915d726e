"""Configs that name a protocol have to follow it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from dts.datasets.split_ids import fingerprint
from dts.protocols import configs, lists
from dts.protocols.configs import check_config, comparable_facts, crop_sizes
from dts.protocols.presets import find_protocol
from small_trees import write_lines

RUN = """
_base_ = ['{base}/_base_/models/pspnet_r50.py', '{base}/_base_/datasets/{data}.py']
student = _base_.model
student.test_cfg = _base_.evaluation
student.data_preprocessor.size = _base_.crop_size
student.decode_head.num_classes = _base_.num_classes
model = dict(_delete_=True, type='dts.MeanTeacher', student=student)
test_cfg = dict(models=['student', 'teacher'])
protocol = '{protocol}'
"""
FITTING = {
    'voc2012-classic-183-321': 'voc2012',
    'voc2012-classic-183-513': 'voc2012_513',
    'cityscapes-cps-186-801': 'cityscapes',
    'cityscapes-cps-186-769': 'cityscapes_769',
    'ade20k-semivl-631-512': 'ade20k',
    'coco-pseudoseg-463-513': 'coco_semi',
}


@pytest.fixture
def read(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Reads a run config on top of a data config; the data root is empty."""
    monkeypatch.setenv('DTS_DATA_ROOT', str(tmp_path / 'data'))

    def read_config(protocol: str, data: str | None = None, **options: Any) -> Config:
        path = tmp_path / 'run.py'
        text = RUN.format(
            base=repository / 'configs', data=data or FITTING[protocol], protocol=protocol
        )
        path.write_text(text)
        config = Config.fromfile(path, format_python_code=False)
        config.merge_from_dict({key.replace('__', '.'): value for key, value in options.items()})
        return config

    return read_config


@pytest.mark.parametrize('name', FITTING)
def test_data_configs_follow_their_protocols(read: Callable[..., Any], name: str) -> None:
    assert check_config(read(name)).name == name


def test_config_without_a_claim_passes(repository: Path) -> None:
    path = repository / 'configs/supervised/supervised_fpn_lite0_1xb4-800_camvid-1_32-224x288.py'
    assert check_config(Config.fromfile(path, format_python_code=False)) is None


WRONG = {
    'crop': (
        ('voc2012-classic-183-513', 'voc2012'),
        {},
        'crop: [(321, 321)], the protocol has [(513, 513)]',
    ),
    'data set': (
        ('coco-pseudoseg-463-513', 'voc2012_513'),
        {},
        'data set: dts.VOC2012Dataset, the protocol has dts.COCOSemiDataset',
    ),
    'whole instead of slide': (
        ('cityscapes-cps-186-801', None),
        {'model__student__test_cfg': dict(_delete_=True, mode='whole')},
        'evaluation: whole, the protocol has slide (crop_size (801, 801), stride (534, 534))',
    ),
    'slide instead of center': (
        ('cityscapes-cps-186-801-center', 'cityscapes'),
        {},
        'evaluation: slide (crop_size (801, 801), stride (534, 534)), the protocol has center',
    ),
    'stride': (
        ('cityscapes-cps-186-801', None),
        {'model__student__test_cfg__stride': (801, 801)},
        'stride (801, 801)), the protocol has slide',
    ),
    'resized': (
        ('voc2012-classic-183-321', None),
        {
            'test_dataloader__dataset__pipeline': [
                dict(type='dts.LoadImage'),
                dict(type='Resize', scale=(512, 512), keep_ratio=True),
            ]
        },
        'evaluation: whole (resize (512, 512)), the protocol has whole',
    ),
    'network': (
        ('voc2012-classic-183-321', None),
        {'test_cfg__models': ['student', 'mean']},
        "scored network 'mean', the protocol has ['student', 'teacher']",
    ),
    'all labelled': (
        ('ade20k-semivl-631-512', None),
        {'train_dataloader__dataset__streams__labeled__ann_file': ''},
        'all images are labelled, the protocol labels 631',
    ),
}


@pytest.mark.parametrize('case', WRONG)
def test_every_departure_is_named(read: Callable[..., Any], case: str) -> None:
    (protocol, data), options, message = WRONG[case]
    with pytest.raises(ValueError, match=f'names the protocol {protocol}, but') as caught:
        check_config(read(protocol, data, **options))
    faults = [line for line in str(caught.value).splitlines() if line.startswith('  ')]
    assert len(faults) == 1
    assert message in faults[0]


def test_center_crop_pipeline_follows_its_protocol(read: Callable[..., Any]) -> None:
    steps = [
        dict(type='dts.LoadImage'),
        dict(type='dts.LoadLabels'),
        dict(type='dts.CenterCrop', crop_size=(801, 801)),
        dict(type='PackSegInputs'),
    ]
    name = 'cityscapes-cps-186-801-center'
    config = read(name, 'cityscapes', test_dataloader__dataset__pipeline=steps)
    assert check_config(config).name == name


def test_several_teachers_count_as_teacher(read: Callable[..., Any]) -> None:
    models = ['student', 'teacher.0', 'teacher.1']
    assert check_config(read('voc2012-classic-183-321', test_cfg__models=models))


def test_list_on_disk_is_checked(
    read: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, log = tmp_path / 'known_splits.json', []
    table.write_text(json.dumps({'about': 'made up', 'lists': []}))
    monkeypatch.setattr(lists, 'KNOWN_LISTS', table)
    monkeypatch.setattr(configs, 'print_log', lambda text, **_: log.append(text))
    voc = tmp_path / 'data/VOCdevkit/VOC2012'
    path = voc / 'splits/blended/662/labeled.txt'
    ids = [f'2007_{number:06d}' for number in range(662)]
    ann_file = {
        'train_dataloader__dataset__streams__labeled__ann_file': 'splits/blended/662/labeled.txt'
    }
    config = read('voc2012-blended-662-321', 'voc2012', **ann_file)
    assert check_config(config)
    assert log == []  # a list that is not there is not said to be verified or not
    write_lines(path, ids)
    assert check_config(config)  # without VOC's train list the composition is not known
    assert log == [f'list {path}: not verified: no fingerprint of voc2012_blended_662 is known']
    entry = {'name': 'voc2012_blended_662', 'size': 662, 'sha256': fingerprint(ids)}
    table.write_text(json.dumps({'about': 'made up', 'lists': [entry]}))
    assert check_config(config)
    assert len(log) == 1
    write_lines(voc / 'ImageSets/Segmentation/train.txt', ids)
    with pytest.raises(ValueError, match=r'labeled\.txt: 662 of its 662 .* as a priority list has'):
        check_config(config)
    write_lines(path, [*ids[1:], '2007_000662'])
    with pytest.raises(ValueError, match=r'not those of voc2012_blended_662 but unknown'):
        check_config(config)


def test_unlabelled_list_is_the_rest_of_the_training_set(
    read: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, 'KNOWN_LISTS', tmp_path / 'none.json')
    voc = tmp_path / 'data/VOCdevkit/VOC2012'
    name = 'voc2012-blended-662-321'
    folder = 'train_dataloader__dataset__streams__{}labeled__ann_file'
    files = {folder.format(part): f'{part}labeled.txt' for part in ('', 'un')}
    config = read(name, 'voc2012', **files)
    ids = [f'2007_{number:06d}' for number in range(664)]
    write_lines(voc / 'labeled.txt', ids[:662])
    write_lines(voc / 'unlabeled.txt', ids[662:])
    assert check_config(config)
    write_lines(voc / 'unlabeled.txt', ids[661:])
    with pytest.raises(ValueError, match=r'unlabeled\.txt: ids both labeled .*2007_000661'):
        check_config(config)
    config.train_dataloader.sampler.batch.unlabeled = 0  # nothing is drawn from it
    assert check_config(config)

    config.train_dataloader.sampler.batch.unlabeled = 1
    write_lines(voc / find_protocol(name).source.whole_list, [*ids, '2007_000664'])
    write_lines(voc / 'unlabeled.txt', [ids[662], 'of_val'])
    with pytest.raises(ValueError, match='names the protocol') as caught:
        check_config(config)
    assert 'ids of the whole list in neither list: 2007_000663, 2007_000664' in str(caught.value)
    assert 'ids that the whole list does not have: of_val' in str(caught.value)


def test_crops_around_rare_classes_count_as_crops() -> None:
    def stream(*steps: dict[str, Any]) -> dict[str, Any]:
        return {'pipeline': [{'type': 'dts.LoadImage'}, *steps, {'type': 'PackSegInputs'}]}

    rare = {'type': 'dts.RareClassCrop', 'crop_size': (64, 48), 'min_pixels': 5}
    plain = {'type': 'RandomCrop', 'crop_size': [32, 32]}
    center = {'type': 'dts.CenterCrop', 'crop_size': (8, 8)}
    inside = {
        'type': 'dts.Branches',
        'branches': {'target': [{**plain, 'type': 'mmseg.RandomCrop'}]},
    }
    streams = {'source': stream(rare, center), 'target': stream(inside)}
    config = {'train_dataloader': {'dataset': {'streams': streams}}}
    assert crop_sizes(config) == [(32, 32), (64, 48)]
    streams['target'] = stream()
    assert crop_sizes(config) == [(64, 48)]


def test_unknown_protocol_is_named(read: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="no protocol 'voc2012-classic-7-321'"):
        check_config(read('voc2012-classic-7-321', 'voc2012'))


def test_facts_leave_out_streams_that_no_batch_draws_from(read: Callable[..., Any]) -> None:
    config = read('voc2012-classic-183-321')
    facts = comparable_facts(config)
    assert facts['unlabeled images']['ann_file'] == 'splits/classic/183/unlabeled.txt'
    assert facts['scored images']['ann_file'] == 'ImageSets/Segmentation/val.txt'
    assert facts['crop'] == [(321, 321)]
    config.train_dataloader.sampler.batch.unlabeled = 0
    assert 'unlabeled images' not in comparable_facts(config)
