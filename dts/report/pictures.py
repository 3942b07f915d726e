"""The sections that need the final networks: confusion matrices and picture panels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dts.report.blocks import Block, Choice, Gallery, Note, Panel, Section, Table
from dts.report.charts import confusion_chart
from dts.report.final import FinalModels, ImageResult, pick

Finals = Mapping[str, FinalModels | str]


def confusion_section(finals: Finals) -> Section:
    """Show the confusion matrix of every network, and how far the networks are apart.

    Args:
        finals: name of the run -> final networks, or why there are none.
    """
    known = _known(finals)
    charts = {
        f'{run}, {network}': confusion_chart(
            final.matrices[network], final.classes, _file_name(run, network)
        )
        for run, final in known.items()
        for network in final.networks
    }
    blocks: list[Block] = []
    if charts:
        caption = f'{_on_images(known)} Rows are labels and sum to 100 %; ignored pixels left out.'
        blocks.append(Choice('Confusion matrix', charts, label='Network', caption=caption))
        blocks.append(_distance_table(known))
    blocks += _reasons('Confusion matrix', finals)
    return Section('confusion', 'Confusion', blocks)


def pictures_section(finals: Finals) -> Section:
    """Show images on which a run is best and worst, and those that changed most.

    Args:
        finals: name of the run -> final networks, or why there are none.
    """
    known = _known(finals)
    blocks: list[Block] = []
    if known:
        first, base = next(iter(known.items()))
        panels = {
            run: _panels(final, None if run == first else base) for run, final in known.items()
        }
        against = (
            f' Most changed: mIoU of the image against {first}; for {first} itself, and where test '
            'sets differ, the pixels to which student and teacher give different classes.'
            if len(known) > 1
            else ' Most changed: most pixels to which student and teacher give different classes.'
        )
        caption = f'{_on_images(known)} Ranked by the mIoU of the image.{against}'
        legend = list(zip(base.colors, base.classes, strict=True))
        blocks.append(Gallery('Pictures', panels, legend, caption))
    blocks += _reasons('Pictures', finals)
    return Section('pictures', 'Pictures', blocks)


def _known(finals: Finals) -> dict[str, FinalModels]:
    """Return the runs that have final networks."""
    return {name: final for name, final in finals.items() if isinstance(final, FinalModels)}


def _reasons(what: str, finals: Finals) -> list[Block]:
    """Say why runs are missing, one line for all that share a reason."""
    reasons: dict[str, list[str]] = {}
    for name, final in finals.items():
        if isinstance(final, str):
            reasons.setdefault(final, []).append(name)
    return [Note(f'{what} of {", ".join(n)}: left out, {reason}.') for reason, n in reasons.items()]


def _on_images(known: Mapping[str, FinalModels]) -> str:
    """Say on which images the networks were run."""
    counts = dict.fromkeys(
        f'{len(final.images)} of {final.num_total} test images' for final in known.values()
    )
    files = dict.fromkeys(final.checkpoint.name for final in known.values())
    return f'Final networks ({", ".join(files)}) on {", ".join(counts)}, evenly spaced.'


def _file_name(run: str, network: str) -> str:
    """Return a name for the file with the counts of a matrix."""
    return f'confusion_{run}_{network}.csv'.replace('/', '_').replace(' ', '_')


def _distance_table(known: Mapping[str, FinalModels]) -> Block:
    """Say how far the other networks ended from the student."""
    rows = []
    for run, final in known.items():
        for network, distance in final.distances.items():
            is_pair = final.pair is not None and network in final.pair
            shares = [image.differing for image in final.images if image.differing is not None]
            share = f'{100 * sum(shares) / len(shares):.2f} %' if is_pair and shares else '-'
            rows.append([run, network, f'{distance:.4f}', share])
    if not rows:
        return Note('Distance of final teachers and student: no checkpoint holds both.')
    header = ('run', 'network', '||network - student|| / ||student||', 'pixels that differ')
    caption = 'Over all parameters of the final checkpoint, and over all pixels of the images.'
    return Table('Final distance from the student', header, rows, caption)


def _panels(final: FinalModels, base: FinalModels | None) -> list[Panel]:
    """Return the picked images of one run."""
    network = final.networks[0]
    reference = _reference(final, base)
    return [
        Panel(reason, Path(image.path).name, _numbers(final, image, reference), image.cells)
        for reason, image in pick(final.images, network, reference)
    ]


def _reference(final: FinalModels, base: FinalModels | None) -> dict[str, float] | None:
    """Return path -> mIoU of the run to compare with, None when no image is shared."""
    if base is None:
        return None
    scores = {image.path: image.miou[base.networks[0]] for image in base.images}
    return scores if any(image.path in scores for image in final.images) else None


def _numbers(final: FinalModels, image: ImageResult, reference: Mapping[str, float] | None) -> str:
    """Write the scores of an image."""
    texts = [f'{name} {score:.1f} % mIoU' for name, score in image.miou.items()]
    if reference and image.path in reference:
        change = image.miou[final.networks[0]] - reference[image.path]
        texts.append(f'{change:+.1f} points against the first run')
    if final.pair and image.differing is not None:
        texts.append(
            f'{" and ".join(final.pair)} differ in {100 * image.differing:.1f} % of pixels'
        )
    return ', '.join(texts)
