"""Show what a student took from its teacher, and what it gave up.

    python tools/analysis_tools/kd_explain.py CONFIG CHECKPOINT_DISTILLED CHECKPOINT_BASELINE

CONFIG is of ``dts.Distillation`` and names the teacher; the baseline is the same student, trained
without it. One term of ``distill`` (``--term``) says which features are compared, at labelled
pixels of images of ``val_dataloader``. Writes two scores to ``explanation.json``, and per image
``<stem>.png``: image, distilled features, residual features; see ``dts.distill.explain``. What the
maps explain is the sum over pixels of the score of the predicted class. Images are seen whole.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import mmcv
import numpy as np
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.device import get_device
from mmengine.registry import init_default_scope
from mmseg.structures import SegDataSample
from torch import Tensor

import dts.all  # noqa: F401 - registers what configs name
from dts.config import student_config
from dts.distill.explain import Explanation, draw_per_class, explain, relevance_map
from dts.distill.mask import labels_at
from dts.distill.taps import LOGITS, Tap, check_tap, record, run_tapped
from dts.evaluation.predictions import GAP
from dts.hooks.frozen_teacher import FrozenTeacherHook
from dts.launch import add_common_arguments, check_file, read_config, user_errors
from dts.models.label_assisted_segmentor import input_labels
from dts.registry import DATASETS, HOOKS, MODELS
from dts.segmentor import decode_logits
from dts.teachers.frozen import FrozenTeacher, build_frozen_teacher

HEAT_OPACITY = 0.6
OWNERS = ('FrozenTeacherHook', 'LabelAssistedTeacherHook')


@dataclass(frozen=True)
class Observed:
    """A network, and the module of it that is looked at."""

    network: FrozenTeacher
    tap: Tap

    def maps(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return the output of the tap, (B, C, h, w), without gradient."""
        segmentor: Any = self.network.segmentor
        with torch.no_grad(), record(segmentor, [self.tap]) as maps:
            run_tapped(segmentor, self.network.inputs(images, labels), [self.tap])
        return maps[self.tap]

    def heat(self, images: Tensor, channels: Tensor) -> Tensor:
        """Return where channels of the tap raise the scores that predict, (h, w) in [0, 1]."""
        segmentor: Any = self.network.segmentor
        with torch.enable_grad(), record(segmentor, [self.tap]) as maps:
            scores = decode_logits(segmentor, self.network.inputs(images.clone().requires_grad_()))
        features = maps[self.tap]
        (gradients,) = torch.autograd.grad(scores.amax(dim=1).sum(), features)
        return relevance_map(features[0].detach(), gradients[0], channels)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', help='config file of the distillation')
    parser.add_argument('distilled', help='checkpoint of the student that was distilled')
    parser.add_argument('baseline', help='checkpoint of the same student, trained without teacher')
    parser.add_argument('--term', type=int, default=0, help='entry of distill (default 0)')
    parser.add_argument('--images', type=int, default=20, help='images to look at (default 20)')
    parser.add_argument('--pixels', type=int, default=50, help='pixels per class (default 50)')
    parser.add_argument('--seed', type=int, default=0, help='of the draw of pixels (default 0)')
    parser.add_argument('--out-dir', type=Path, default=Path('kd_explain'), help='is made')
    add_common_arguments(parser)
    args = parser.parse_args(argv)
    if args.images < 1 or args.pixels < 1:
        parser.error(f'--images and --pixels must be at least 1, got {args.images}, {args.pixels}')
    return args


def observe(cfg: Config, args: argparse.Namespace) -> dict[str, Observed]:
    """Load the three networks.

    Args:
        cfg: the config.
        args: the command line.

    Returns:
        ``student``, ``teacher`` and ``baseline``.

    Raises:
        ValueError: if the config distills nothing, or has no such term or teacher.
    """
    terms = cfg.model.get('distill', [])
    if not 0 <= args.term < len(terms):
        raise ValueError(
            f'the config has {len(terms)} entries in model.distill, --term asks for number '
            f'{args.term}: give a config of dts.Distillation, and a term from 0 on'
        )
    term = terms[args.term]
    taps = {
        role: Tap(term.get(role, LOGITS), term.get(f'{role}_index'))
        for role in ('student', 'teacher')
    }
    if taps['student'].path.startswith('auxiliary_head'):
        raise ValueError(
            f'distill[{args.term}] taps {taps["student"]} of the student, which predicts nothing '
            'that a map could explain: choose another --term'
        )
    reference = MODELS.build(student_config(cfg.model)).to(get_device())
    networks = {
        'student': build_frozen_teacher('distilled', cfg.model, args.distilled, reference),
        'teacher': _teacher(cfg, term.get('teacher_name'), reference),
        'baseline': build_frozen_teacher('baseline', cfg.model, args.baseline, reference),
    }
    taps['baseline'] = taps['student']
    for role, network in networks.items():
        check_tap(network.segmentor, taps[role], f'{role} of distill[{args.term}]')
    return {role: Observed(network, taps[role]) for role, network in networks.items()}


def _teacher(cfg: Config, name: str | None, student: Any) -> FrozenTeacher:
    """Build the teacher that the hook of the config names."""
    found = [h for h in cfg.get('custom_hooks', []) if str(h['type']).rpartition('.')[2] in OWNERS]
    if not found:
        raise ValueError(f'custom_hooks of the config has none of {OWNERS}, which name a teacher')
    hook: FrozenTeacherHook = HOOKS.build(found[0])
    name = name or next(iter(hook.teachers))
    if name not in hook.teachers:
        raise ValueError(f'no teacher named {name!r}, the hook has {list(hook.teachers)}')
    return hook.build(name, hook.teachers[name], student)


def look(
    dataset: Any, student: Any, count: int, ignore_index: int
) -> Iterator[tuple[Tensor, Tensor, SegDataSample]]:
    """Load images at even distances.

    Args:
        dataset: images with labels, under the pipeline of inference.
        student: whose data preprocessor normalises.
        count: images, at most all.
        ignore_index: label of the padding.

    Yields:
        Image (1, 3, H, W), labels (1, H, W) and the sample.
    """
    for index in np.linspace(0, len(dataset) - 1, min(count, len(dataset))).round().astype(int):
        batch = student.data_preprocessor(pseudo_collate([dataset[int(index)]]), False)
        images, samples = batch['inputs'], batch['data_samples']
        yield images, input_labels(images, samples, ignore_index), samples[0]


def compare(
    observed: Mapping[str, Observed], seen: Iterator[Any], pixels: int
) -> tuple[Explanation, int]:
    """Score the networks at pixels of all images.

    Args:
        observed: ``student``, ``teacher`` and ``baseline``.
        seen: images, labels and samples.
        pixels: per class.

    Returns:
        Explanation and number of pixels.
    """
    num_classes = observed['student'].network.segmentor.num_classes
    rows: dict[str, list[Tensor]] = {role: [] for role in (*observed, 'labels')}
    for images, labels, _ in seen:
        maps = {role: one.maps(images, labels) for role, one in observed.items()}
        size = maps['student'].shape[-2:]
        near = labels_at(labels, size).flatten()
        drawn = draw_per_class(near, pixels, num_classes)
        rows['labels'].append(near[drawn])
        for role, of_role in maps.items():
            resized = F.interpolate(of_role, size, mode='bilinear')
            rows[role].append(resized[0].flatten(1).T[drawn])
    drawn = draw_per_class(torch.cat(rows.pop('labels')), pixels, num_classes)
    return explain(**{role: torch.cat(of_role)[drawn] for role, of_role in rows.items()}), len(
        drawn
    )


def draw(heats: Sequence[Tensor], images: Tensor, sample: SegDataSample) -> np.ndarray:
    """Return the image and beside it every map over it, BGR at the size of the file.

    Args:
        heats: (h, w) each, in [0, 1].
        images: what the networks saw, (1, 3, H, W), padded at the bottom and on the right.
        sample: its sample.
    """
    image = mmcv.imread(sample.img_path)
    height, width = sample.img_shape[:2]
    gap = np.full((image.shape[0], GAP, 3), 255, dtype=np.uint8)
    parts = [image]
    for heat in heats:
        shown = F.interpolate(heat[None, None], images.shape[-2:], mode='bilinear')[0, 0]
        values = (shown[:height, :width] * 255).byte().cpu().numpy()
        values = cv2.resize(values, image.shape[1::-1])
        colors = cv2.applyColorMap(values, cv2.COLORMAP_INFERNO)
        parts += [gap, cv2.addWeighted(colors, HEAT_OPACITY, image, 1 - HEAT_OPACITY, 0)]
    return np.concatenate(parts, axis=1)


def main(argv: Sequence[str] | None = None) -> None:
    """Write scores and pictures."""
    args = parse_args(argv)
    with user_errors():
        for file in (args.distilled, args.baseline):
            check_file(file, 'checkpoint')
        cfg = read_config(args)
        init_default_scope(cfg.get('default_scope', 'mmseg'))
        observed = observe(cfg, args)
        student, baseline = observed['student'], observed['baseline']
        dataset = DATASETS.build(cfg.val_dataloader.dataset)
        torch.manual_seed(args.seed)
        segmentor = student.network.segmentor
        ignore_index = (cfg.model.get('criterion') or {}).get('ignore_index', 255)
        seen = partial(look, dataset, segmentor, args.images, ignore_index)
        found, count = compare(observed, seen(), args.pixels)
        for images, _, sample in seen():
            heats = [
                student.heat(images, found.distilled_channels),
                baseline.heat(images, found.residual_channels),
            ]
            file = args.out_dir / f'{Path(sample.img_path).stem}.png'
            mmcv.imwrite(draw(heats, images, sample), str(file))
        result = {
            'distilled': found.distilled,
            'residual': found.residual,
            'pixels': count,
            'student': str(student.tap),
            'teacher': str(observed['teacher'].tap),
        }
        (args.out_dir / 'explanation.json').write_text(json.dumps(result, indent=2) + '\n')
    print(f'distilled {found.distilled:.4f}, residual {found.residual:.4f}: {args.out_dir}')


if __name__ == '__main__':
    main()
