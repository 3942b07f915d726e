"""One network of a run, ready to predict or to be exported."""

from __future__ import annotations

from typing import Any

from mmengine.config import Config
from mmengine.runner.checkpoint import CheckpointLoader
from mmseg.models.segmentors import EncoderDecoder

from dts.checkpoints.plain import to_plain
from dts.config import load_config
from dts.evaluation.checkpoint_models import checkpoint_states
from dts.launch import check_file
from dts.zoo.models import build_segmentor
from dts.zoo.stock import stock_config

CLASS_KEYS = ('classes', 'palette')


def read_network(
    config: str, checkpoint: str, name: str | None
) -> tuple[EncoderDecoder, Config, dict[str, Any], str]:
    """Return a network of a run in eval mode, and what is needed to use it.

    Args:
        config: config file of the run.
        checkpoint: checkpoint file.
        name: of the network; None for the product of the run.

    Returns:
        The segmentor, its stock config, the names and colors of its classes as ``dataset_meta``
        (empty if the file has none), and the name of the network.

    Raises:
        FileNotFoundError: if a file is not there.
        ValueError: if the file has no such network, or it does not fit the config.
    """
    check_file(config, 'config')
    check_file(checkpoint, 'checkpoint')
    states = checkpoint_states(checkpoint)
    name = name or next(iter(states))
    if name not in states:
        raise ValueError(
            f'{checkpoint} holds no network named {name!r}, it has: {", ".join(states)}; choose '
            'with --model'
        )
    cfg = stock_config(load_config(config))
    plain = {key.removeprefix('module.'): tensor for key, tensor in states[name].items()}
    segmentor = build_segmentor(cfg.model, plain, f'{name} of {checkpoint}')
    meta = CheckpointLoader.load_checkpoint(checkpoint, map_location='cpu').get('meta') or {}
    classes = meta.get('dataset_meta') or {}
    known = {key: to_plain(classes[key]) for key in CLASS_KEYS if classes.get(key) is not None}
    return segmentor, cfg, known, name
