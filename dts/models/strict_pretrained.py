"""Pretrained weights that fit or are an error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatch
from typing import Any

from mmengine.logging import print_log
from mmengine.model import update_init_info
from mmengine.runner import CheckpointLoader
from torch import Tensor, nn

from dts.registry import WEIGHT_INITIALIZERS

# ImageNet classifiers of ResNet and of transformers, for which a backbone has no use
CLASSIFIER = ('fc.*', 'head.*')
NUM_SHOWN = 3


@WEIGHT_INITIALIZERS.register_module()
class StrictPretrained:
    """MMEngine's ``Pretrained`` initializer, with an error where that one only logs.

    ``Pretrained`` takes what fits by name, so that a file of another network, or one whose tensors
    have other prefixes, leaves random weights and a line in the log. Here every tensor of the
    module must be in the file, and every tensor of the file in the module or in an ImageNet
    classifier (``fc.*``, ``head.*``). ``num_batches_tracked`` may be missing: old files lack it.
    Use it as ``init_cfg=dict(type='dts.StrictPretrained', checkpoint=...)`` of a backbone. MMSeg's
    ViT, BEiT and MAE resize position embeddings for ``Pretrained`` alone, and its Swin reads the
    file itself, whatever the type.

    Args:
        checkpoint: file, URL or name (``open-mmlab://resnet50_v1c``) of the weights.
        prefix: take the tensors whose names begin with it, without it: ``backbone`` of the file of
            a whole segmentor. None takes all.
        allow_missing: patterns (``fnmatch``) of tensor names that may be in the module or in the
            file alone; the module keeps its own tensors.
    """

    def __init__(
        self, checkpoint: str, prefix: str | None = None, *, allow_missing: Sequence[str] = ()
    ) -> None:
        self.checkpoint = checkpoint
        self.prefix = prefix
        self.allow_missing = tuple(allow_missing)

    def __call__(self, module: nn.Module) -> None:
        """Load the weights in place.

        Args:
            module: the module whose ``init_cfg`` this is.

        Raises:
            ValueError: if the weights do not fit; nothing is loaded then.
        """
        # MMEngine lets children initialize themselves after this, and would spoil what is loaded
        # (only its own ``Pretrained`` comes last).
        children: Iterable[Any] = module.children()
        for child in children:
            if hasattr(child, 'init_weights') and not getattr(child, 'is_init', False):
                child.init_weights()
                child.is_init = True
        file = self._read()
        self._check(file, module)
        module.load_state_dict(file, strict=False)
        print_log(f'{type(module).__name__}: weights of {self.checkpoint}', logger='current')
        if hasattr(module, '_params_init_info'):  # set while MMEngine's init_weights runs
            update_init_info(module, init_info=f'StrictPretrained: load from {self.checkpoint}')

    def _read(self) -> dict[str, Tensor]:
        """Return the tensors of the file under the names of the module."""
        content: dict[str, Any] = CheckpointLoader.load_checkpoint(
            self.checkpoint, map_location='cpu', logger='current'
        )
        state = content.get('state_dict', content)
        named = {name.removeprefix('module.'): tensor for name, tensor in state.items()}
        if self.prefix is None:
            return named
        prefix = self.prefix.removesuffix('.') + '.'
        part = {n.removeprefix(prefix): t for n, t in named.items() if n.startswith(prefix)}
        if not part:
            raise ValueError(
                f'no tensor in {self.checkpoint} begins with {prefix!r}, there are '
                f'{_first(list(named))}: correct prefix of init_cfg'
            )
        return part

    def _check(self, file: Mapping[str, Tensor], module: nn.Module) -> None:
        """Refuse names and shapes that differ."""
        own = module.state_dict()
        unused, excused = (*self.allow_missing, *CLASSIFIER), self.allow_missing
        missing = [n for n in own if n not in file and not n.endswith('num_batches_tracked')]
        faults = {
            'missing in the file': [n for n in missing if not _matches(n, excused)],
            'unknown to the network': [n for n in file if n not in own and not _matches(n, unused)],
            'of another shape': [n for n in own if n in file and file[n].shape != own[n].shape],
        }
        if any(faults.values()):
            found = '; '.join(f'{len(n)} {what}: {_first(n)}' for what, n in faults.items() if n)
            raise ValueError(
                f'{self.checkpoint} does not fit {type(module).__name__}, tensors are {found}. '
                'Correct checkpoint or prefix of init_cfg; or, to start parts from scratch, name '
                'them: allow_missing=[...] of init_cfg; or set init_cfg=None'
            )


def _matches(name: str, patterns: Sequence[str]) -> bool:
    """Return whether one of the patterns fits."""
    return any(fnmatch(name, pattern) for pattern in patterns)


def _first(names: list[str]) -> str:
    """Return the first names."""
    rest = f' and {len(names) - NUM_SHOWN} more' if len(names) > NUM_SHOWN else ''
    return ', '.join(names[:NUM_SHOWN]) + rest
