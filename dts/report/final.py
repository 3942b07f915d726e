"""What the final checkpoint of every run does on test images: confusion matrices and pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dts.checkpoints.find import check_whole, find_newest_checkpoint
from dts.evaluation.metric import segmentation_scores
from dts.report.blocks import Cell
from dts.report.panels import compared_pair, differing_share, draw_cells
from dts.report.predict import ImageMaps, PredictedImages
from dts.report.run import Run

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ImageResult:
    """One image of a run.

    Attributes:
        path: of the image.
        miou: network -> mIoU of this image alone in percent, NaN when no pixel counts.
        differing: share of pixels to which the compared networks give different classes, None for a
            run with one network.
        cells: the pictures.
    """

    path: str
    miou: dict[str, float]
    differing: float | None
    cells: list[Cell]


@dataclass(frozen=True)
class FinalModels:
    """The final networks of a run on test images.

    Attributes:
        checkpoint: the file.
        networks: names, the product first.
        pair: the two that are compared, None for a single one.
        classes: names.
        colors: of the classes, ``#rrggbb``.
        num_total: images of the whole test set.
        matrices: network -> (K, K) int64 counts over the images.
        images: in the order of the test set.
        distances: network -> ||network - student|| / ||student||.
    """

    checkpoint: Path
    networks: list[str]
    pair: tuple[str, str] | None
    classes: Sequence[str]
    colors: list[str]
    num_total: int
    matrices: dict[str, Tensor] = field(default_factory=dict)
    images: list[ImageResult] = field(default_factory=list)
    distances: dict[str, float] = field(default_factory=dict)


def predict_run(run: Run, checkpoint: Path | None, num_images: int) -> FinalModels | str:
    """Run the final networks over some test images.

    Args:
        run: the run.
        checkpoint: its file; None takes that of the last step, else the newest whole one of the
            folder, and turns whatever is in the way into a reason.
        num_images: at most so many.

    Returns:
        The results, or the reason why there are none.

    Raises:
        ValueError: if a given checkpoint does not fit the run.
        FileNotFoundError: if the images are not there, for a given checkpoint.
    """
    if num_images < 1:
        return 'not asked for (--images 0)'
    if run.config is None:
        return 'its config cannot be read'
    file = checkpoint or _last_checkpoint(run)
    if file is None:
        return 'there is no whole iter_*.pth in its folder'
    try:
        return _predict(PredictedImages(run.config, file, num_images), file)
    except Exception as error:  # old runs meet new code and moved data: it is told in the report
        if checkpoint is not None:
            raise
        reason = next(iter(str(error).strip().splitlines()), '')
        return f'{file.name} cannot be evaluated: {type(error).__name__}: {reason}'


def _last_checkpoint(run: Run) -> Path | None:
    """Return the file of the last step that the config asks for, else the newest whole one.

    A copied folder has other times than the run wrote, so that the newest file may be any of them.
    """
    last = run.folder / f'iter_{run.max_iters}.pth'
    try:
        check_whole(last)
    except (FileNotFoundError, ValueError):
        return find_newest_checkpoint(run.folder)
    return last


def _predict(test: PredictedImages, file: Path) -> FinalModels:
    """Fill the results image by image, so that no more than one is in memory."""
    names = list(test.networks)
    final = FinalModels(
        checkpoint=file,
        networks=names,
        pair=compared_pair(test.networks),
        classes=test.classes,
        colors=['#{:02x}{:02x}{:02x}'.format(*color) for color in test.palette.tolist()],
        num_total=test.num_total,
        distances=test.distances(),
    )
    for maps in test:
        for name, matrix in maps.matrices.items():
            final.matrices[name] = final.matrices.get(name, 0) + matrix
        final.images.append(
            ImageResult(
                path=maps.path,
                miou=_image_scores(maps, test.classes),
                differing=differing_share(maps, final.pair) if final.pair else None,
                cells=draw_cells(maps, test.palette, final.pair),
            )
        )
    return final


def _image_scores(maps: ImageMaps, classes: Sequence[str]) -> dict[str, float]:
    """Return the mIoU of one image, over the classes that are labelled or predicted in it."""
    matrices: Mapping[str, Tensor] = maps.matrices
    return {n: segmentation_scores(m, classes, {})['mIoU'] for n, m in matrices.items()}


def pick(
    images: Sequence[ImageResult],
    network: str,
    reference: Mapping[str, float] | None,
    count: int = 2,
) -> list[tuple[str, ImageResult]]:
    """Choose the images to show.

    Args:
        images: of one run.
        network: whose score counts.
        reference: path -> mIoU of the run that changes are measured against; None measures how
            much the two networks of the run differ.
        count: images of each kind; none is chosen twice.

    Returns:
        (reason, image): best, worst, most changed.
    """
    scored = [image for image in images if not math.isnan(image.miou[network])]
    ranked = sorted(scored, key=lambda image: -image.miou[network])
    changed = sorted(ranked, key=lambda image: -abs(_change(image, network, reference) or 0.0))
    changed = [image for image in changed if _change(image, network, reference)]
    chosen: dict[str, tuple[str, ImageResult]] = {}
    for reason, candidates in (
        ('Best', ranked),
        ('Worst', ranked[::-1]),
        ('Most changed', changed),
    ):
        free = [image for image in candidates if image.path not in chosen]
        chosen |= {image.path: (reason, image) for image in free[:count]}
    return list(chosen.values())


def _change(
    image: ImageResult, network: str, reference: Mapping[str, float] | None
) -> float | None:
    """Return how much an image changed, None when that is not known."""
    if reference is None:
        return image.differing
    if image.path not in reference:
        return None
    change = image.miou[network] - reference[image.path]
    return None if math.isnan(change) else change
