"""Predict an image, a folder of images or a video by a network of a run.

    python demo/infer.py INPUT CONFIG CHECKPOINT --out OUT [--labels LABELS] [--model teacher]

OUT gets the images, or the video as MP4, tinted by the predicted classes; LABELS gets class ids as
PNG files. Config and checkpoint are those of a run of ours, or stock ones of MMSegmentation.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import dts.all  # noqa: F401 - registers what the configs name, before anything imports mmseg

# isort: split
import cv2
import mmcv
import numpy as np
from mmengine.device import get_device
from mmengine.logging import print_log
from mmengine.registry import init_default_scope
from mmengine.utils import ProgressBar
from mmseg.apis import inference_model
from mmseg.models.segmentors import BaseSegmentor
from numpy.typing import NDArray

from dts.datasets.folder import IMAGE_SUFFIXES
from dts.datasets.transforms.loading import LoadImage
from dts.evaluation.predictions import overlay
from dts.evaluation.run_network import read_network
from dts.launch import check_file, user_errors

Image = NDArray[np.uint8]  # (H, W, 3) BGR
Labels = NDArray[np.uint8]  # (H, W) class ids
Predict = Callable[[Image], tuple[Labels, Image]]  # image -> class ids, tinted image

CODEC = 'mp4v'
UNKNOWN_RATE = 25.0  # frames per second of a video that does not tell


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('input', type=Path, help='image, folder (with its subfolders), or video')
    parser.add_argument('config', help='config that the network was trained with')
    parser.add_argument('checkpoint', help='its checkpoint')
    parser.add_argument('--out', type=Path, required=True, help='folder for tinted images')
    parser.add_argument('--labels', type=Path, help='folder for class ids as PNG files')
    parser.add_argument(
        '--model',
        metavar='NAME',
        help='network: student, teacher, teacher.0, ...; default: the product of the run',
    )
    return parser.parse_args(argv)


def load_network(config: str, checkpoint: str, name: str | None) -> BaseSegmentor:
    """Return a network as ``mmseg.apis.inference_model`` takes it.

    Args:
        config: config file.
        checkpoint: checkpoint file.
        name: of the network in it; None for the product of the run.

    Returns:
        The segmentor in eval mode, on the GPU if there is one. Classes without colors in the file
        get random ones, the same every time.

    Raises:
        FileNotFoundError: if a file is not there.
        ValueError: if the file has no such network, or it does not fit the config.
    """
    network, cfg, classes, _ = read_network(config, checkpoint, name)
    init_default_scope(cfg.default_scope)
    palette = classes.get('palette')
    if not palette:
        palette = np.random.default_rng(0).integers(0, 256, (network.num_classes, 3)).tolist()
    network.cfg, network.dataset_meta = cfg, {'palette': palette}
    return network.to(get_device())


def predictor(network: BaseSegmentor) -> Predict:
    """Return the function that predicts and draws an image.

    Args:
        network: from ``load_network``.
    """
    palette = np.array(network.dataset_meta['palette'], dtype=np.uint8)

    def predict(image: Image) -> tuple[Labels, Image]:
        result = inference_model(network, image)
        labels = result.pred_sem_seg.data[0].cpu().numpy().astype(np.uint8)
        return labels, overlay(image, labels, palette)

    return predict


def find_images(source: Path) -> dict[Path, Path]:
    """Return the images of a folder, or the one image.

    Args:
        source: folder or image.

    Returns:
        Image -> relative name of what is written for it, ``.png``.

    Raises:
        FileNotFoundError: if the folder holds no image.
        ValueError: if two images differ in their suffix alone.
    """
    root = source if source.is_dir() else source.parent
    files = sorted(source.rglob('*')) if source.is_dir() else [source]
    images = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES]
    if not images:
        raise FileNotFoundError(f'{source} holds no file of {", ".join(IMAGE_SUFFIXES)}')
    owners: dict[Path, Path] = {}
    for image in images:
        name = image.relative_to(root).with_suffix('.png')
        if name in owners:
            raise ValueError(
                f'{owners[name]} and {image} would both be written as {name}: rename one'
            )
        owners[name] = image
    return {image: name for name, image in owners.items()}


def predict_images(images: dict[Path, Path], predict: Predict, args: argparse.Namespace) -> None:
    """Predict images one by one.

    Args:
        images: from ``find_images``.
        predict: from ``predictor``.
        args: the command line.

    Raises:
        FileNotFoundError: if an image is not there any more.
        ValueError: if an image cannot be read, or would be overwritten.
    """
    inputs = {image.resolve() for image in images}
    folders = [folder for folder in (args.out, args.labels) if folder is not None]
    for target in (folder / name for folder in folders for name in images.values()):
        if target.resolve() in inputs:
            raise ValueError(f'{target} is an input and would be overwritten: choose other folders')
    load = LoadImage()
    bar = ProgressBar(len(images), file=sys.stderr)
    for image, name in images.items():
        labels, tinted = predict(load.transform({'img_path': str(image)})['img'])
        mmcv.imwrite(tinted, str(args.out / name))
        if args.labels is not None:
            mmcv.imwrite(labels, str(args.labels / name))
        bar.update()


def predict_video(file: Path, predict: Predict, args: argparse.Namespace) -> None:
    """Predict a video frame by frame, into ``OUT/<stem>.mp4`` and ``LABELS/<stem>/000000.png``.

    Args:
        file: the video.
        predict: from ``predictor``.
        args: the command line.

    Raises:
        ValueError: if OpenCV cannot read the video or write one, or it would be overwritten.
    """
    video = cv2.VideoCapture(str(file))
    is_read, frame = video.read()
    if not is_read:
        raise ValueError(
            f'{file} is no image ({", ".join(IMAGE_SUFFIXES)}) and OpenCV reads no frame of it as '
            'a video: the file is broken or its codec is missing; convert it, for example by '
            '`ffmpeg -i FILE -c:v mjpeg -q:v 2 video.avi`'
        )
    target = args.out / f'{file.stem}.mp4'
    if target.resolve() == file.resolve():
        raise ValueError(f'{target} is the input and would be overwritten: choose another folder')
    args.out.mkdir(parents=True, exist_ok=True)
    rate = video.get(cv2.CAP_PROP_FPS) or UNKNOWN_RATE
    size = frame.shape[1::-1]
    writer = cv2.VideoWriter(str(target), cv2.VideoWriter.fourcc(*CODEC), rate, size)
    if not writer.isOpened():
        raise ValueError(
            f'OpenCV cannot write {target}: it was built without the codec {CODEC}. Install the '
            'opencv-python-headless wheel, or cut the video into images and predict their folder'
        )
    # Some containers do not tell the count: 0 shows no time left.
    bar = ProgressBar(max(int(video.get(cv2.CAP_PROP_FRAME_COUNT)), 0), file=sys.stderr)
    index = 0
    try:
        while is_read:
            labels, tinted = predict(frame)
            writer.write(tinted)
            if args.labels is not None:
                mmcv.imwrite(labels, str(args.labels / file.stem / f'{index:06d}.png'))
            bar.update()
            is_read, frame = video.read()
            index += 1
    finally:
        writer.release()


def main(argv: Sequence[str] | None = None) -> None:
    """Predict."""
    args = parse_args(argv)
    if not args.input.is_dir():
        check_file(str(args.input), 'image, folder or video')
    is_video = args.input.is_file() and args.input.suffix.lower() not in IMAGE_SUFFIXES
    images = {} if is_video else find_images(args.input)
    predict = predictor(load_network(args.config, args.checkpoint, args.model))
    if is_video:
        predict_video(args.input, predict, args)
    else:
        predict_images(images, predict, args)
    print_log(f'\nwritten to {args.out}')


if __name__ == '__main__':
    with user_errors():
        main()
