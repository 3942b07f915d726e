"""Export one network of a checkpoint to ONNX, and compare both on random images.

    python tools/model_converters/export_onnx.py CONFIG CHECKPOINT OUT.onnx [--model teacher]
        [--size HEIGHT WIDTH]

The graph takes ``images`` (B, 3, h, w), normalised, any B, and gives ``logits`` (B, K, h, w). What
else a program has to know stands as JSON in the metadata of the file, under the key ``dts``:

    channels   order that the graph expects, RGB or BGR
    mean, std  per channel: x = (pixel - mean) / std, pixel in [0, 255]
    resize     [height, width] that an image is brought to first, null: it keeps its size
    stride     steps of the window (h, w) over the image; scores are averaged where windows overlap
    classes    names, palette: their colors (RGB); absent if the checkpoint has none

``test_cfg`` of the config says whether the window is the whole image or slides. An image smaller
than the window is padded, where MMSegmentation would shrink the window. tools/deployment/
predict_onnx.py does all this without dts.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from extract import add_model_argument
from mmengine.config import Config
from onnxruntime import InferenceSession
from torch import Tensor, nn

from dts.checkpoints.atomic import write_atomically
from dts.evaluation.run_network import read_network
from dts.launch import user_errors
from dts.segmentor import decode_logits

if TYPE_CHECKING:
    from mmseg.models.segmentors import EncoderDecoder

sys.path.insert(0, str(Path(__file__).parents[1] / 'deployment'))

from predict_onnx import predict_logits

METADATA_KEY = 'dts'
TOLERANCE = 1e-4
OPSET = 18


class Scores(nn.Module):
    """The graph: class scores of normalised images, at their size.

    Args:
        segmentor: an ``EncoderDecoder``.
    """

    def __init__(self, segmentor: EncoderDecoder) -> None:
        super().__init__()
        self.segmentor = segmentor

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, K, H, W) for (B, 3, H, W)."""
        return decode_logits(self.segmentor, images)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Export one network of a checkpoint to ONNX.')
    parser.add_argument('config', help='config that the run was trained with')
    parser.add_argument('checkpoint', help='checkpoint of the run')
    parser.add_argument('out', type=Path, help='file to write, *.onnx')
    add_model_argument(parser)
    parser.add_argument(
        '--size',
        nargs=2,
        type=int,
        metavar=('HEIGHT', 'WIDTH'),
        help='every image is brought to this size first; default: that of Resize in test_pipeline. '
        'A window that slides needs none',
    )
    return parser.parse_args(argv)


def describe(
    segmentor: EncoderDecoder, cfg: Config, size: Sequence[int] | None
) -> tuple[list[int], dict[str, Any]]:
    """Return the height and width of the window, and what a program has to know besides.

    Args:
        segmentor: the network.
        cfg: its stock config.
        size: height and width that images are brought to, None for what the config says.

    Raises:
        ValueError: if the window is the whole image and no size is given or found.
    """
    resize = list(size) if size else resize_of(cfg.test_pipeline)
    test_cfg = segmentor.test_cfg
    if test_cfg.get('mode', 'whole') == 'slide':
        window, stride = list(test_cfg.crop_size), list(test_cfg.stride)
    elif resize is None:
        raise ValueError('test_pipeline of the config has no Resize: give --size HEIGHT WIDTH')
    else:
        window = stride = resize
    preprocessor = segmentor.data_preprocessor
    # MMSeg flips the channels before it normalises: mean and std are in the order of the graph.
    notes = {
        'channels': 'RGB' if preprocessor.channel_conversion else 'BGR',
        'mean': preprocessor.mean.flatten().tolist(),
        'std': preprocessor.std.flatten().tolist(),
        'resize': resize,
        'stride': stride,
    }
    return window, notes


def resize_of(pipeline: Sequence[dict[str, Any]]) -> list[int] | None:
    """Return height and width of the ``Resize`` of a pipeline, None if it has none."""
    scales = [step['scale'] for step in pipeline if step['type'] == 'Resize' and step.get('scale')]
    return [scales[0][1], scales[0][0]] if scales else None  # MMCV gives width, height


def export(segmentor: EncoderDecoder, window: Sequence[int], notes: dict[str, Any]) -> bytes:
    """Return the file: graph for any batch size, weights and metadata.

    Args:
        segmentor: the network, in eval mode.
        window: height and width of its input.
        notes: metadata.
    """
    program = torch.onnx.export(
        Scores(segmentor).eval(),
        (torch.zeros(2, 3, *window),),
        dynamo=True,
        input_names=['images'],
        output_names=['logits'],
        dynamic_shapes={'images': {0: torch.export.Dim('batch')}},
        opset_version=OPSET,
        verbose=False,
    )
    program.model.metadata_props[METADATA_KEY] = json.dumps(notes)
    return program.model_proto.SerializeToString()


@torch.no_grad()
def compare(
    segmentor: EncoderDecoder, content: bytes, window: Sequence[int], stride: Sequence[int]
) -> float:
    """Return the largest difference of scores between MMSegmentation and onnxruntime.

    Args:
        segmentor: the network, in eval mode.
        content: the file.
        window: height and width of the input of the graph.
        stride: steps of the window.

    Returns:
        Over batches of one and three random images, relative to the largest score, or to 1 if all
        scores are smaller; NaN if a score is.

    Raises:
        ValueError: if the exporter fixed the batch size.
    """
    session = InferenceSession(content)
    num_images = session.get_inputs()[0].shape[0]
    if not isinstance(num_images, str):
        raise ValueError(
            f'the graph takes batches of {num_images} images alone: {type(segmentor).__name__} '
            'computes with the number of images in a way that the exporter cannot keep open'
        )
    slides = segmentor.test_cfg.get('mode', 'whole') == 'slide'
    # Two windows and a rest in each direction, so that the last one is moved back.
    height, width = (w + s + 1 if slides else w for w, s in zip(window, stride, strict=True))
    generator = torch.Generator().manual_seed(0)
    differences = []
    for num_images in (1, 3):
        images = torch.randn(num_images, 3, height, width, generator=generator)
        meta = {'ori_shape': (height, width), 'img_shape': (height, width)}
        expected = segmentor.inference(images, [dict(meta) for _ in images]).numpy()
        actual = predict_logits(session, images.numpy(), stride)
        scale = max(1.0, float(np.abs(expected).max()))
        differences.append(np.abs(actual - expected).max() / scale)
    return float(np.max(differences))  # not Python's max, which may pass over NaN


def main(argv: Sequence[str] | None = None) -> None:
    """Export, compare, write."""
    args = parse_args(argv)
    segmentor, cfg, classes, name = read_network(args.config, args.checkpoint, args.model)
    window, notes = describe(segmentor, cfg, args.size)
    content = export(segmentor, window, {**notes, **classes})
    difference = compare(segmentor, content, window, notes['stride'])
    if not difference <= TOLERANCE:
        raise ValueError(
            f'{name} of {args.checkpoint}: scores of onnxruntime differ by {difference:.1e} of the '
            f'largest one, {TOLERANCE:.0e} is allowed; nothing was written'
        )
    write_atomically(args.out, content)
    print(
        f'{args.out}: {name}, images (batch, 3, {window[0]}, {window[1]}), '
        f'{len(content) / 1e6:.1f} MB, largest difference to MMSegmentation {difference:.1e}\n'
        f'{json.dumps(notes)}'
    )


if __name__ == '__main__':
    with user_errors():
        main()
