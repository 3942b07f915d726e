"""What protocol a config follows, and whether it is the one that it names."""

from __future__ import annotations

import logging
import os.path as osp
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from dts.config import student_config
from dts.protocols.lists import check_labeled, check_unlabeled, note_labeled, read_labeled
from dts.protocols.presets import Evaluation, Protocol, find_protocol

KEY = 'protocol'
# transforms with a `crop_size` whose place is drawn
RANDOM_CROPS = ('RandomCrop', 'RareClassCrop')


def check_config(config: Mapping[str, Any]) -> Protocol | None:
    """Refuse a config that names a protocol and does something else.

    A config claims a protocol by ``protocol = 'voc2012-classic-183-321'``. Lists are checked if the
    files are there; a data set reports a missing one itself. A list whose fingerprint
    is not known passes with a warning.

    Args:
        config: of a run, complete.

    Returns:
        The protocol, None where the config names none.

    Raises:
        ValueError: if there is no such protocol or the config departs from it; names every
            departure.
    """
    name = config.get(KEY)
    if name is None:
        return None
    protocol = find_protocol(name)
    stream = labeled_stream(config)
    faults = []
    facts = {
        'data set': (stream['type'], protocol.source.type),
        'crop': (crop_sizes(config), [protocol.crop_size]),
        'evaluation': (str(read_evaluation(config)), str(protocol.evaluation)),
    }
    for what, (found, expected) in facts.items():
        if found != expected:
            faults.append(f'{what}: {found}, the protocol has {expected}')
    models = config.get('test_cfg', {}).get('models') or []
    faults += [
        f'scored network {model!r}, the protocol has {list(protocol.models)}'
        for model in models
        if not is_scored(protocol, model)
    ]
    root = stream.get('data_root') or ''
    path = Path(osp.join(root, stream.get('ann_file') or ''))
    if path.is_file():
        labeled = read_labeled(protocol, path, Path(root))
        faults += [f'list {path}: {f}' for f in check_labeled(protocol, labeled, Path(root))]
        rest = _drawn_streams(config).get('unlabeled', {}).get('ann_file') or ''
        other = Path(osp.join(root, rest))
        if other.is_file():
            unlabeled = read_labeled(protocol, other, Path(root))
            departures = check_unlabeled(protocol, labeled, unlabeled, Path(root))
            faults += [f'list {other}: {fault}' for fault in departures]
    elif not stream.get('ann_file'):
        faults.append(f'all images are labelled, the protocol labels {protocol.num_labeled}')
    if faults:
        raise ValueError(
            f'the config names the protocol {name}, but does not follow it:\n  '
            + '\n  '.join(faults)
            + f'\nCorrect the config, or take `{KEY}` out of it and out of tables with others.'
        )
    for note in note_labeled(protocol) if path.is_file() else []:
        print_log(f'list {path}: {note}', logger='current', level=logging.WARNING)
    return protocol


def is_scored(protocol: Protocol, model: str) -> bool:
    """Return whether a network is one of those that a protocol scores.

    Args:
        protocol: the protocol.
        model: name of the network; ``teacher.1`` counts as ``teacher``.
    """
    return model.partition('.')[0] in protocol.models


def comparable_facts(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what must be equal for scores of two configs to stand in one column.

    Args:
        config: of a run, complete.

    Returns:
        Name of the fact -> value. The images of a stream that no batch draws from are left out.
        Empty for a config without data loaders, which another program than ours trains.
    """
    if 'train_dataloader' not in config:
        return {}
    facts = {
        f'{name} images': _without_pipeline(stream)
        for name, stream in _drawn_streams(config).items()
    }
    return facts | {
        'protocol': config.get(KEY),
        'crop': crop_sizes(config),
        'evaluation': str(read_evaluation(config)),
        'scored images': _without_pipeline(config['test_dataloader']['dataset']),
    }


def _drawn_streams(config: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the data sets of training that batches draw from, by name."""
    loader = config['train_dataloader']
    drawn = loader.get('sampler', {}).get('batch', {})
    streams = loader['dataset'].get('streams', {})
    return {name: stream for name, stream in streams.items() if drawn.get(name, 1)}


def labeled_stream(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the config of the labelled data set.

    Args:
        config: of a run, complete.

    Raises:
        ValueError: if there is no stream ``labeled``.
    """
    streams = config['train_dataloader']['dataset'].get('streams', {})
    if 'labeled' not in streams:
        raise ValueError(
            'a protocol needs the stream `labeled` in train_dataloader.dataset.streams, got '
            f'{sorted(streams)}'
        )
    return streams['labeled']


def crop_sizes(config: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Return the different sizes (height, width) of random crops in training, sorted.

    Args:
        config: of a run, complete.
    """
    streams = config['train_dataloader']['dataset'].get('streams', {}).values()
    sizes = {
        tuple(step['crop_size'])
        for stream in streams
        for step in _steps(stream.get('pipeline', []))
        if step['type'].rpartition('.')[2] in RANDOM_CROPS
    }
    return sorted(sizes)


def read_evaluation(config: Mapping[str, Any]) -> Evaluation:
    """Return how the test loader and the segmentor of a config make predictions.

    Args:
        config: of a run, complete.
    """
    steps = list(_steps(config['test_dataloader']['dataset'].get('pipeline', [])))
    of_type = {step['type'].rpartition('.')[2]: step for step in steps}
    resize = of_type.get('Resize', {})
    scale = resize.get('scale', resize.get('scale_factor'))
    if isinstance(scale, list | tuple):
        scale = tuple(scale)
    if 'CenterCrop' in of_type:
        return Evaluation('center', tuple(of_type['CenterCrop']['crop_size']), resize=scale)
    test_cfg = student_config(config['model']).get('test_cfg') or {}
    if test_cfg.get('mode') == 'slide':
        return Evaluation('slide', tuple(test_cfg['crop_size']), tuple(test_cfg['stride']), scale)
    return Evaluation('whole', resize=scale)


def _steps(pipeline: Any) -> Iterator[Mapping[str, Any]]:
    """Yield all transforms of a pipeline, those inside of others included."""
    if isinstance(pipeline, Mapping):
        if 'type' in pipeline:
            yield pipeline
        for value in pipeline.values():
            yield from _steps(value)
    elif isinstance(pipeline, list | tuple):
        for value in pipeline:
            yield from _steps(value)


def _without_pipeline(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """Return what says which images a data set holds."""
    return {key: value for key, value in dataset.items() if key != 'pipeline'}
