"""Addresses that every ``load_from`` and ``init_cfg`` understands once this module is imported."""

from __future__ import annotations

from typing import Any

from mmengine.runner import CheckpointLoader

from dts.zoo.store import path
from dts.zoo.weights import read_weights

SCHEME = 'dts-zoo://'


def load_from_zoo(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Read the weights of an entry of the zoo, a missing file is downloaded.

    Args:
        filename: ``dts-zoo://`` and the name of the entry.
        map_location: where tensors go, as in ``torch.load``; None for the CPU.

    Returns:
        ``state_dict`` and ``meta``.

    Raises:
        ValueError: if there is no such entry, or its file is damaged.
        FileNotFoundError: if the file is not there and cannot be downloaded.
    """
    return load_published(str(path(filename.removeprefix(SCHEME))), map_location)


def load_published(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Read a file of weights, safetensors or not, as MMEngine expects a checkpoint.

    Args:
        filename: the file.
        map_location: where tensors go, as in ``torch.load``; None for the CPU.

    Returns:
        ``state_dict`` and ``meta``.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged, or holds more than tensors and plain values.
    """
    tensors, meta = read_weights(filename)
    if map_location is not None:
        tensors = {name: tensor.to(map_location) for name, tensor in tensors.items()}
    return {'state_dict': tensors, 'meta': meta}


CheckpointLoader.register_scheme(prefixes=SCHEME, loader=load_from_zoo, force=True)
# MMEngine takes prefixes for regular expressions; this one stands behind those of the web.
CheckpointLoader.register_scheme(prefixes=r'.*\.safetensors$', loader=load_published, force=True)
