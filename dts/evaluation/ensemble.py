"""Several trained segmentors that answer together, and each by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.model import BaseModel
from torch import Tensor, nn

from dts.evaluation.checkpoint_models import CheckpointModels
from dts.models.label_assisted_segmentor import LabelAssistedEncoderDecoder
from dts.models.mean_segmentor import MeanSegmentor
from dts.registry import MODELS
from dts.typing import ConfigType

ENSEMBLE = 'ensemble'


class MeanProbabilitySegmentor(MeanSegmentor):
    """Predict from the mean of the class probabilities of several segmentors, for evaluation only.

    Args:
        segmentors: segmentors of the same classes and preprocessing.
    """

    def encode_decode(self, inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
        """Return the mean of the probabilities, which are taken at the size of the input.

        Args:
            inputs: (B, 3, H, W), normalised.
            batch_img_metas: as MMSeg passes them.

        Returns:
            (B, K, H, W), in [0, 1].
        """
        networks: Any = self.segmentors
        probs = [net.encode_decode(inputs, batch_img_metas).softmax(dim=1) for net in networks]
        return sum(probs[1:], start=probs[0]) / len(probs)


@MODELS.register_module()
class CheckpointEnsemble(CheckpointModels):
    """Networks of several checkpoints by name, and their ``ensemble``, the mean of probabilities.

    ``ModelsTestLoop`` evaluates them. Of each file the product is taken, the network that stock
    tools load.

    Source: Furlanello et al., ICML 2018 (arXiv 1805.04770), ensembles of born-again generations.

    Args:
        members: name -> ``dict(segmentor=..., checkpoint=...)``: config of a segmentor, and a file.

    Raises:
        ValueError: if there are less than two, one is called ``ensemble`` or sees labels, or they
            differ in classes or preprocessing.
    """

    def __init__(self, members: Mapping[str, ConfigType]) -> None:
        BaseModel.__init__(self)
        if len(members) < 2 or ENSEMBLE in members:
            raise ValueError(
                f'an ensemble has two or more members, none called {ENSEMBLE!r}, got {[*members]}'
            )
        networks = {name: _product(**member) for name, member in members.items()}
        first = next(iter(members))
        common = {
            name: (network.num_classes, members[name]['segmentor'].get('data_preprocessor'))
            for name, network in networks.items()
        }
        for name, network in networks.items():
            _check_answers(name, network)
            if common[name] != common[first]:
                raise ValueError(
                    'members of an ensemble know the same classes and see the same images: '
                    f'{name!r} has (classes, preprocessing) {common[name]}, {first!r} '
                    f'{common[first]}'
                )
        together = MeanProbabilitySegmentor(list(networks.values()))
        self.networks: dict[str, nn.Module] = {ENSEMBLE: together, **networks}
        self.together = together  # all weights, for moves between devices


def _product(segmentor: ConfigType, checkpoint: str) -> Any:
    """Return the product of a file."""
    return next(iter(CheckpointModels(segmentor, checkpoint).networks.values()))


def _check_answers(name: str, network: Any) -> None:
    """Refuse networks whose answers are no probabilities, or come from labels."""
    if isinstance(network, LabelAssistedEncoderDecoder):
        raise ValueError(f'{name!r} sees labels: an oracle is no member of an ensemble')
    if network.out_channels != network.num_classes:
        raise ValueError(
            f'{name!r} has {network.out_channels} output channels for {network.num_classes} '
            'classes: an ensemble needs one channel per class'
        )
