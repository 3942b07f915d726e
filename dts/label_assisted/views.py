"""One label-assisted network under the inputs that its score may mean."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from dts.models.label_assisted_segmentor import LabelAssistedEncoderDecoder

WITH_LABELS, BLANK_IMAGE, ZEROED = '_with_labels', '_blank_image', '_zeroed'


class InputView(BaseModel):
    """A label-assisted segmentor that is shown a part of its input.

    Args:
        segmentor: the network; shared, not copied.
    """

    def __init__(self, segmentor: LabelAssistedEncoderDecoder) -> None:
        super().__init__(data_preprocessor=segmentor.data_preprocessor)
        self.segmentor = segmentor
        self.out_channels = segmentor.out_channels  # asked for by SegTTAModel
        self.decode_head = segmentor.decode_head


class BlankImage(InputView):
    """The network with a code of the labels and an image of one colour, the mean of training."""

    def forward(self, inputs: Tensor, data_samples: Any = None, mode: str = 'tensor') -> Any:
        """Answer as the segmentor does.

        Args:
            inputs: (B, 3, H, W), normalised; their size alone counts.
            data_samples: their samples, with labels.
            mode: ``predict``.

        Returns:
            Predictions.
        """
        return self.segmentor(torch.zeros_like(inputs), data_samples, mode)


class ZeroedCode(InputView):
    """The network with the image and a code of zeros."""

    def forward(self, inputs: Tensor, data_samples: Any = None, mode: str = 'tensor') -> Any:
        """Answer as the segmentor does.

        Args:
            inputs: (B, 3, H, W), normalised.
            data_samples: their samples; labels are not read.
            mode: ``predict`` or ``tensor``.

        Returns:
            Predictions or raw scores.
        """
        return self.segmentor(self.segmentor.with_zeros(inputs), data_samples, mode)


def input_views(name: str, network: nn.Module) -> dict[str, nn.Module]:
    """Return a network under every input that an evaluation gives it.

    With labels a network must score far above any that has none: it is an oracle, and no column of
    a comparison. Such a network is a teacher whatever it is called while it trains.

    Args:
        name: name of the network, ``student`` or ``teacher``, ...
        network: any segmentor.

    Returns:
        The network by its name; of a label-assisted one ``teacher_with_labels``,
        ``teacher_blank_image`` (labels alone) and ``teacher_zeroed`` (the image alone).
    """
    if not isinstance(network, LabelAssistedEncoderDecoder):
        return {name: network}
    teacher = 'teacher' if name == 'student' else name
    return {
        f'{teacher}{WITH_LABELS}': network,
        f'{teacher}{BLANK_IMAGE}': BlankImage(network),
        f'{teacher}{ZEROED}': ZeroedCode(network),
    }


def is_view(metric: str) -> bool:
    """Return whether a score is that of a label-assisted network, under any input.

    Args:
        metric: such as ``teacher_with_labels/mIoU``.
    """
    return metric.partition('/')[0].endswith((WITH_LABELS, BLANK_IMAGE, ZEROED))
