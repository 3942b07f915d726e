"""The protocols that semi-supervised papers report, by name: ``voc2012-classic-183-321``.

A name is data set, family of lists, number of labelled images and training crop, then ``center``
where a centre crop is scored. Scores of different protocols never belong in one column: between
families of lists alone, at the same number of labels, lie 2.5 to 4 points.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class DataSource:
    """Where a data set keeps what lists are made of, relative to its ``data_root``.

    Args:
        type: of the data set in a config.
        folder: usual ``data_root``, below the root of all data.
        image_dir: folder of the training images.
        image_suffix: end of their names.
        num_images: of the whole training set.
        whole_list: list of the whole training set; None: the image folder.
        fine_list: list of the images with finer masks; None: all masks are alike.
    """

    type: str
    folder: str
    image_dir: str
    image_suffix: str
    num_images: int
    whole_list: str | None = None
    fine_list: str | None = None


@dataclass(frozen=True)
class SplitFamily:
    """Lists of labelled images that were drawn by one rule and published together.

    Args:
        dataset: name of the data set.
        name: of the family.
        origin: who drew the lists.
        sizes: numbers of labelled images.
        num_fine: size -> how many of these images have a finer mask, where that is known.
    """

    dataset: str
    name: str
    origin: str
    sizes: tuple[int, ...]
    num_fine: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """How predictions are made for scoring.

    Args:
        mode: ``whole`` image at its own size, ``slide`` of overlapping windows, or ``center``
            crop.
        crop_size: height, width of the window or of the crop.
        stride: of the windows, down and across.
        resize: scale that images are brought to first; None in all presets.
    """

    mode: Literal['whole', 'slide', 'center']
    crop_size: tuple[int, int] | None = None
    stride: tuple[int, int] | None = None
    resize: tuple[int, ...] | float | None = None

    def __str__(self) -> str:
        parts = [
            f'{key} {value}'
            for key in ('crop_size', 'stride', 'resize')
            if (value := getattr(self, key)) is not None
        ]
        return f'{self.mode} ({", ".join(parts)})' if parts else self.mode


@dataclass(frozen=True)
class Protocol:
    """What a published score is of.

    Args:
        family: of the list.
        num_labeled: number of labelled images.
        crop_size: height, width of the training crop.
        evaluation: how predictions are made.
        models: networks that may be scored; ``teacher`` stands for ``teacher.0``, ... too. Every
            printed score names its network.
    """

    family: SplitFamily
    num_labeled: int
    crop_size: tuple[int, int]
    evaluation: Evaluation
    models: tuple[str, ...] = ('student', 'teacher')

    @property
    def name(self) -> str:
        """Name of the preset."""
        parts = [self.family.dataset, self.family.name, self.num_labeled, self.crop_size[0]]
        center = ['center'] if self.evaluation.mode == 'center' else []
        return '-'.join(map(str, [*parts, *center]))

    @property
    def source(self) -> DataSource:
        """Where its data set keeps things."""
        return SOURCES[self.family.dataset]

    @property
    def list_name(self) -> str:
        """Name of its labelled list in ``data/known_splits.json``."""
        return f'{self.family.dataset}_{self.family.name}_{self.num_labeled}'


SOURCES = {
    'voc2012': DataSource(
        type='dts.VOC2012Dataset',
        folder='VOCdevkit/VOC2012',
        image_dir='JPEGImages',
        image_suffix='.jpg',
        num_images=10582,
        whole_list='ImageSets/Segmentation/trainaug.txt',
        fine_list='ImageSets/Segmentation/train.txt',
    ),
    'cityscapes': DataSource(
        type='dts.CityscapesDataset',
        folder='cityscapes',
        image_dir='leftImg8bit/train',
        image_suffix='_leftImg8bit.png',
        num_images=2975,
    ),
    'ade20k': DataSource(
        type='dts.ADE20KDataset',
        folder='ade/ADEChallengeData2016',
        image_dir='images/training',
        image_suffix='.jpg',
        num_images=20210,
    ),
    'coco': DataSource(
        type='dts.COCOSemiDataset',
        folder='coco',
        image_dir='train2017',
        image_suffix='.jpg',
        num_images=118287,
    ),
}

# Numbers of fine masks (images of VOC's own train list) are counted in the published lists.
_CLASSIC = (92, 183, 366, 732, 1464)
FAMILIES = (
    SplitFamily(
        'voc2012',
        'classic',
        'PseudoSeg (Zou et al., ICLR 2021); at 732 the list of UniMatch, U2PL and ST++',
        _CLASSIC,
        num_fine={size: size for size in _CLASSIC},
    ),
    SplitFamily(
        'voc2012',
        'blended',
        'CPS (Chen et al., CVPR 2021)',
        (662, 1323, 2646, 5291),
        num_fine={662: 93, 1323: 193, 2646: 388},
    ),
    SplitFamily(
        'voc2012',
        'priority',
        'U2PL (Wang et al., CVPR 2022)',
        (662, 1323, 2646, 5291),
        num_fine={662: 662, 1323: 1323, 2646: 1464, 5291: 1464},
    ),
    SplitFamily('cityscapes', 'cps', 'CPS (Chen et al., CVPR 2021)', (100, 186, 372, 744, 1488)),
    SplitFamily(
        'ade20k',
        'semivl',
        'SemiVL (Hoyer et al., ECCV 2024)',
        (158, 316, 631, 632, 1263, 2526, 5052, 10105),
    ),
    SplitFamily(
        'coco', 'pseudoseg', 'PseudoSeg (Zou et al., ICLR 2021)', (232, 463, 925, 1849, 3697)
    ),
)

_WHOLE = Evaluation('whole')
# Data set -> training crops and the evaluation that goes with each.
SETTINGS: Mapping[str, tuple[tuple[int, Evaluation], ...]] = {
    'voc2012': ((321, _WHOLE), (513, _WHOLE)),
    'cityscapes': (
        (801, Evaluation('slide', (801, 801), (534, 534))),
        (801, Evaluation('center', (801, 801))),
        (769, Evaluation('slide', (769, 769), (512, 512))),
    ),
    'ade20k': ((512, _WHOLE),),
    'coco': ((513, _WHOLE),),
}

PROTOCOLS: Mapping[str, Protocol] = {
    protocol.name: protocol
    for family in FAMILIES
    for size in family.sizes
    for crop, evaluation in SETTINGS[family.dataset]
    for protocol in [Protocol(family, size, (crop, crop), evaluation)]
}


def find_protocol(name: str) -> Protocol:
    """Return the preset of a name.

    Args:
        name: such as ``voc2012-classic-183-321``.

    Returns:
        The preset.

    Raises:
        ValueError: if there is none; names the nearest ones.
    """
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    near = difflib.get_close_matches(name, PROTOCOLS, n=3, cutoff=0.0)
    raise ValueError(
        f'no protocol {name!r}; the nearest are {", ".join(near)}; '
        '`python tools/dataset_converters/import_split.py --list` shows all'
    )
