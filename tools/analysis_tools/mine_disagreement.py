"""List the unlabelled images that are worth labelling next.

    python tools/analysis_tools/mine_disagreement.py CONFIG CHECKPOINT --top 20 [--show-dir D]

Ranked by the share of pixels to which student and teacher give different classes; with one network
in the checkpoint, or ``--by confidence``, by the mean of its highest class probabilities, lowest
first. No label file is read.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.device import get_device
from mmengine.registry import init_default_scope
from mmseg.structures import SegDataSample
from torch import nn

import dts.all  # noqa: F401 - registers what configs name
from dts.config import student_config
from dts.evaluation.checkpoint_models import CheckpointModels
from dts.evaluation.predictions import GAP, overlay
from dts.launch import add_common_arguments, check_file, read_config, user_errors
from dts.registry import DATASETS
from dts.report.panels import compared_pair

UNLABELED_STREAMS = ('unlabeled', 'target')
LABEL_STEPS = ('LoadLabels', 'LoadAnnotations')
KEYS = ('disagreement', 'confidence')


@dataclass(frozen=True)
class Mined:
    """One unlabelled image.

    Attributes:
        index: in the data set.
        image: path.
        disagreement: share of pixels in [0, 1] to which the two networks give different classes,
            None with one network.
        confidence: mean over pixels of the student's highest class probability, in [0, 1].
    """

    index: int
    image: str
    disagreement: float | None
    confidence: float


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', help='config file of the run')
    parser.add_argument('checkpoint', help='a checkpoint of the run')
    parser.add_argument('--top', type=int, default=20, help='images to list (default 20)')
    parser.add_argument('--by', choices=KEYS, help='what ranks; default: disagreement')
    parser.add_argument('--stream', help='stream of images; default: unlabeled or target')
    parser.add_argument('--out', type=Path, default=Path('mined.csv'), help='default: mined.csv')
    parser.add_argument(
        '--show-dir', type=Path, help='folder for pictures of the listed images and predictions'
    )
    add_common_arguments(parser)
    args = parser.parse_args(argv)
    if args.top < 1:
        parser.error(f'--top must be at least 1, got {args.top}')
    return args


def unlabeled_images(cfg: Config, stream: str | None) -> Any:
    """Build the unlabelled images under the pipeline of inference.

    Args:
        cfg: the config.
        stream: name of the stream, None takes ``unlabeled`` or ``target``.

    Returns:
        The data set.

    Raises:
        ValueError: if there is no such stream, or no test_pipeline.
    """
    streams = cfg.train_dataloader.dataset.get('streams', {})
    wanted = [stream] if stream else UNLABELED_STREAMS
    found = next((name for name in wanted if name in streams), None)
    if found is None or 'test_pipeline' not in cfg:
        raise ValueError(
            f'no stream named {" or ".join(wanted)} with a test_pipeline: the config has the '
            f'streams {list(streams)} and {"a" if "test_pipeline" in cfg else "no"} '
            'test_pipeline; choose a stream with --stream'
        )
    kept = [s for s in cfg.test_pipeline if s['type'].rpartition('.')[2] not in LABEL_STEPS]
    return DATASETS.build({**streams[found], 'pipeline': kept, 'test_mode': True})


def predict(dataset: Any, networks: Mapping[str, nn.Module], index: int) -> list[SegDataSample]:
    """Ask the student and the first teacher, or the only network, about one image.

    Args:
        dataset: images.
        networks: name -> network in eval mode.
        index: of the image.

    Returns:
        One prediction per network.
    """
    names = compared_pair(networks) or (next(iter(networks)),)
    batch = pseudo_collate([dataset[index]])
    return [networks[name].test_step(batch)[0] for name in names]


def mine(dataset: Any, networks: Mapping[str, nn.Module]) -> Iterator[Mined]:
    """Judge every image.

    Args:
        dataset: images.
        networks: name -> network in eval mode.

    Yields:
        One entry per image, in the order of the data set.
    """
    for index in range(len(dataset)):
        student, *others = predict(dataset, networks, index)
        differs = [(o.pred_sem_seg.data != student.pred_sem_seg.data).float() for o in others]
        yield Mined(
            index=index,
            image=student.img_path,
            disagreement=float(differs[0].mean()) if differs else None,
            confidence=float(student.seg_logits.data.float().softmax(dim=0).amax(dim=0).mean()),
        )


def rank(found: Sequence[Mined], by: str | None) -> list[Mined]:
    """Sort images, the one most worth labelling first.

    Args:
        found: images.
        by: ``disagreement``, ``confidence``, or None for the first of them that is known.

    Raises:
        ValueError: if disagreement is asked of a single network.
    """
    is_known = all(entry.disagreement is not None for entry in found)
    if by == 'disagreement' and not is_known:
        raise ValueError('the checkpoint holds one network, nothing disagrees: --by confidence')
    if by == 'confidence' or not is_known:
        return sorted(found, key=lambda entry: entry.confidence)
    return sorted(found, key=lambda entry: (-(entry.disagreement or 0.0), entry.confidence))


def write_csv(mined: Sequence[Mined], out: Path) -> None:
    """Write rank, image and numbers.

    Args:
        mined: ranked images.
        out: the file; its folder is made.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open('w', newline='') as stream:
        writer = csv.writer(stream, lineterminator='\n')
        writer.writerow(['rank', 'image', *KEYS])
        for place, entry in enumerate(mined, start=1):
            share = '' if entry.disagreement is None else f'{entry.disagreement:.6f}'
            writer.writerow([place, entry.image, share, f'{entry.confidence:.6f}'])


def write_pictures(
    mined: Sequence[Mined], dataset: Any, networks: Mapping[str, nn.Module], folder: Path
) -> None:
    """Write ``<rank>_<name>.png``: image and predictions, and in white where they differ.

    Args:
        mined: ranked images.
        dataset: they come from.
        networks: name -> network in eval mode.
        folder: is made.
    """
    palette = np.array(dataset.metainfo['palette'], dtype=np.uint8)
    for place, entry in enumerate(mined, start=1):
        samples = predict(dataset, networks, entry.index)
        maps = [s.pred_sem_seg.data[0].cpu().numpy().astype(np.uint8) for s in samples]
        image = mmcv.imread(entry.image)
        parts = [image, *(overlay(image, labels, palette) for labels in maps)]
        if len(maps) > 1:
            differs = (maps[0] != maps[1])[..., np.newaxis]
            parts.append(np.where(differs, np.uint8(255), np.zeros_like(image)))
        gap = np.full((image.shape[0], GAP, 3), 255, dtype=np.uint8)
        row = [piece for part in parts for piece in (part, gap)][:-1]
        file = folder / f'{place:03d}_{Path(entry.image).stem}.png'
        mmcv.imwrite(np.concatenate(row, axis=1), str(file))


def main(argv: Sequence[str] | None = None) -> None:
    """Rank the images and write the list."""
    args = parse_args(argv)
    with user_errors():
        check_file(args.checkpoint, 'checkpoint')
        cfg = read_config(args)
        init_default_scope(cfg.get('default_scope', 'mmseg'))
        dataset = unlabeled_images(cfg, args.stream)
        models = CheckpointModels(student_config(cfg.model), args.checkpoint)
        models.to(get_device()).eval()
        with torch.no_grad():
            mined = rank(list(mine(dataset, models.networks)), args.by)[: args.top]
            write_csv(mined, args.out)
            if args.show_dir:
                write_pictures(mined, dataset, models.networks, args.show_dir)
    print(f'{args.out}: {len(mined)} of {len(dataset)} images')


if __name__ == '__main__':
    main()
