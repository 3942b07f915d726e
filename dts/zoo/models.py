"""Segmentors of the zoo, ready for use."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mmengine.registry import DefaultScope
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor

import dts.all  # noqa: F401 - registers what the configs name
from dts.checkpoints.match import match_tensors
from dts.config import load_config
from dts.registry import MODELS
from dts.typing import ConfigType
from dts.zoo.index import find_entry
from dts.zoo.stock import stock_config
from dts.zoo.store import path
from dts.zoo.weights import read_weights

_PACKAGE = Path(__file__).parents[1]


def load(name: str) -> EncoderDecoder:
    """Return a trained segmentor.

    ``mmseg.apis.inference_model(load(name), image)`` predicts an image.

    Args:
        name: an entry of the index of kind ``model``; a missing file is downloaded.

    Returns:
        The segmentor on the CPU, in eval mode, with its stock config as ``cfg`` and, where the file
        has them, the names and colors of the classes as ``dataset_meta``.

    Raises:
        ValueError: if there is no such model, its file is damaged or does not fit.
        FileNotFoundError: if the file is not there and cannot be downloaded.
    """
    entry = find_entry(name)
    if entry.kind != 'model' or entry.config is None:
        raise ValueError(
            f'{name} is a {entry.kind}, no segmentor to load: start a network from it by '
            f"init_cfg=dict(type='dts.StrictPretrained', checkpoint='dts-zoo://{name}') of its "
            f'backbone, or take the file, dts.zoo.path({name!r})'
        )
    file = path(name)
    tensors, meta = read_weights(file)
    cfg = stock_config(load_config(config_file(entry.config)))
    segmentor = build_segmentor(cfg.model, tensors, str(file))
    segmentor.cfg = cfg
    if 'dataset_meta' in meta:
        segmentor.dataset_meta = meta['dataset_meta']
    return segmentor


def build_segmentor(
    model: ConfigType, tensors: Mapping[str, Tensor], source: str
) -> EncoderDecoder:
    """Return a segmentor in eval mode that holds given weights, all of them or none.

    Args:
        model: config of the segmentor.
        tensors: its tensors by plain names, of any floating type.
        source: name of the file in errors.

    Raises:
        ValueError: if names or shapes differ.
    """
    with DefaultScope.overwrite_default_scope('mmseg'):
        segmentor = MODELS.build(model)
    own = segmentor.state_dict()
    segmentor.load_state_dict({**own, **match_tensors(tensors, own, source=source)})
    return segmentor.eval()


def config_file(relative: str) -> Path:
    """Return a config of this project: in the repository, or in an installed package.

    Args:
        relative: path such as ``configs/uda/README.md``.

    Raises:
        FileNotFoundError: if it is at neither place.
    """
    for root in (_PACKAGE.parent, _PACKAGE / '.mim'):
        if (root / relative).is_file():
            return root / relative
    raise FileNotFoundError(f'no {relative} in {_PACKAGE.parent} or {_PACKAGE / ".mim"}')
