"""What one half of a step of a DTS group shows, and how much of it is target.

    name               images                                            target share
    source             x_S                                               0
    mix_source_source  x_S with parts of the next x_S                    0
    mix_source_target  x_T with parts of x_S, as the host mixes          about 1/2
    target             x_T                                               1
    mix_target_target  x_T with parts of the next x_T                    1

The rows of the published idea are pairs of them, see ``COMPOSITIONS``. Source: our reconstruction;
Huo et al., ICCV 2023, say that the second group sees a larger proportion of target data.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor

from dts.methods.host import Half, Host, Supervision, Views, show_source, supervise_all
from dts.mixing.classmix import ClassMix
from dts.mixing.plan import paste
from dts.targets.exchange import Opinion

# target share in percent -> the two halves of a step
COMPOSITIONS: dict[int, tuple[str, str]] = {
    0: ('source', 'mix_source_source'),
    25: ('source', 'mix_source_target'),
    50: ('source', 'mix_target_target'),
    75: ('mix_source_target', 'mix_target_target'),
    100: ('target', 'mix_target_target'),
}

HALVES = ('source', 'mix_source_source', 'mix_source_target', 'target', 'mix_target_target')


def compose(
    name: str, host: Host, student: EncoderDecoder, views: Views, opinions: Sequence[Opinion]
) -> tuple[Half, Tensor]:
    """Make one half of a step.

    Args:
        name: a name of the table above.
        host: how images are mixed and recoloured.
        student: the student that will learn it.
        views: the batch.
        opinions: what the student learns on target pixels.

    Returns:
        The half, and the share of its pixels that come from target images, scalar in [0, 1].
    """
    share = views.source.new_zeros(())
    if name == 'source':
        return Half(name, views.source, [sure(views.labels)], is_source=True), share
    if name == 'mix_source_source':
        swap = ClassMix()(views.labels, student.num_classes)
        supervision = sure(paste(swap, views.labels))
        return Half(name, paste(swap, views.source), [supervision]), share
    if name == 'target':
        return Half(name, views.strong, supervise_all(host, views, opinions, None)), share + 1.0
    mix = host.mix_source if name == 'mix_source_target' else host.mix_target
    mixture = mix(student, views, opinions[0].target.labels)
    supervisions = [
        # pasted source pixels count once
        show_source(supervision, mixture, 1.0 if index == 0 else 0.0)
        for index, supervision in enumerate(supervise_all(host, views, opinions, mixture.swap))
    ]
    return Half(name, mixture.images, supervisions), share + mixture.target_share


def sure(labels: Tensor) -> Supervision:
    """Return labels of which every pixel weighs 1.

    Args:
        labels: (N, H, W) int64.
    """
    return Supervision(labels, torch.ones(labels.shape, device=labels.device))


def halves_of(composition: int | Sequence[str]) -> tuple[str, ...]:
    """Return the names of the halves of a group.

    Args:
        composition: a target share in percent, or names.

    Raises:
        ValueError: if there is no such row or half.
    """
    if isinstance(composition, int):
        if composition not in COMPOSITIONS:
            raise ValueError(
                f'no composition with {composition} % target, choose from {sorted(COMPOSITIONS)} '
                f'or name the halves: {HALVES}'
            )
        return COMPOSITIONS[composition]
    unknown = [name for name in composition if name not in HALVES]
    if unknown or not composition:
        raise ValueError(f'a composition is made of {HALVES}, got {list(composition)}')
    return tuple(composition)
