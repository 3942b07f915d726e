"""Files of the toy city: made once, atomically, and checked against what is asked for."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
from mmengine.logging import print_log

from dts.datasets.toy_city_looks import LOOKS
from dts.datasets.toy_city_render import render

SPLITS = ('train', 'val')
SETTINGS_FILE = 'settings.json'
GENERATOR_VERSION = 1  # raise it whenever the same settings give other images
TEMPORARY_PREFIX = '.toy_city-'
STALE_SECONDS = 3600.0  # a folder that nobody wrote to for so long was left by a killed process
LOG_SECONDS = 5.0
PNG_COMPRESSION = 1  # of 0..9; half the time of the default for a tenth more bytes


@dataclass(frozen=True)
class ToyCitySettings:
    """What decides about the images of a toy city, the same for both looks.

    Attributes:
        seed: other seeds give other streets.
        num_train: train images of each look.
        num_val: validation images of each look.
        height: rows of an image.
        width: columns of an image.

    Raises:
        ValueError: if a number is too small.
    """

    seed: int = 0
    num_train: int = 400
    num_val: int = 100
    height: int = 128
    width: int = 256

    def __post_init__(self) -> None:
        lowest = {'seed': 0, 'num_train': 1, 'num_val': 1, 'height': 32, 'width': 32}
        for name, low in lowest.items():
            if getattr(self, name) < low:
                raise ValueError(
                    f'`{name}` of the toy city is {getattr(self, name)}, expected at least {low}.'
                )

    def record(self) -> dict[str, int]:
        """Return what ``settings.json`` holds."""
        return {'generator': GENERATOR_VERSION, **asdict(self)}


def make_toy_city(root: Path, settings: ToyCitySettings) -> None:
    """Make the images of both looks unless they are there.

    They are written to a temporary folder beside ``root`` that takes its name when it is complete:
    a killed process leaves no half data set, and of two processes at once one wins.

    Args:
        root: folder of the data set.
        settings: what to make.

    Raises:
        PermissionError: if the folder cannot be made.
        ValueError: if ``root`` holds something else.
    """
    if root.exists():
        check_settings(root, settings)
        return
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=root.parent))
    except PermissionError as error:
        raise PermissionError(
            f'The toy city has to be made in {root}, but {root.parent} cannot be written. Set '
            '`data_root` in the config to a folder of yours.'
        ) from error
    try:
        remove_stale_folders(root.parent)
        write_images(temporary, settings)
        temporary.chmod(0o755)  # mkdtemp makes folders private
        try:
            temporary.rename(root)
        except OSError:
            check_settings(root, settings)  # another process was first
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_settings(root: Path, settings: ToyCitySettings) -> None:
    """Compare what a folder holds with what is asked for.

    Args:
        root: folder of a toy city.
        settings: what the config asks for.

    Raises:
        ValueError: if they differ, or the folder is no toy city.
    """
    remedy = (
        f'Remove the folder {root} to have it made again, or set another `data_root` in the config.'
    )
    try:
        found = json.loads((root / SETTINGS_FILE).read_text())
    except (OSError, ValueError) as error:
        raise ValueError(
            f'{root} exists but is no toy city: {root / SETTINGS_FILE} cannot be read. {remedy}'
        ) from error
    expected = settings.record()
    if found != expected:
        raise ValueError(
            f'{root} was made with {found}, but the config asks for {expected}. {remedy}'
        )


def write_images(folder: Path, settings: ToyCitySettings) -> None:
    """Render all images into an empty folder and say how long it takes.

    Args:
        folder: empty folder to fill.
        settings: sizes, counts and seed.
    """
    counts = {'train': settings.num_train, 'val': settings.num_val}
    jobs = [
        (look, split, index) for look in LOOKS for split in SPLITS for index in range(counts[split])
    ]
    print_log(f'Making the toy city: {len(jobs)} images, once', logger='current')
    started = reported = time.monotonic()
    for done, (look, split, index) in enumerate(jobs):
        if index == 0:
            for kind in ('img_dir', 'ann_dir'):
                (folder / look / split / kind).mkdir(parents=True)
        write_sample(folder / look / split, look, split, index, settings)
        now = time.monotonic()
        if now - reported > LOG_SECONDS:
            reported = now
            left = (now - started) / (done + 1) * (len(jobs) - done - 1)
            print_log(f'{done + 1} of {len(jobs)} images, {left:.0f} s left', logger='current')
    text = json.dumps(settings.record(), indent=2)
    (folder / SETTINGS_FILE).write_text(f'{text}\n')


def write_sample(
    folder: Path, look: str, split: str, index: int, settings: ToyCitySettings
) -> None:
    """Render one image with its labels and write both.

    Args:
        folder: folder of one look and split.
        look: ``game`` or ``street``.
        split: ``train`` or ``val``.
        index: number of the image, >= 0.
        settings: size and seed.
    """
    key = (settings.seed, SPLITS.index(split), index)
    image, labels = render(look, key, settings.height, settings.width)
    parameters = (cv2.IMWRITE_PNG_COMPRESSION, PNG_COMPRESSION)
    for kind, pixels in (('img_dir', image[..., ::-1]), ('ann_dir', labels)):
        path = folder / kind / f'{index:05d}.png'
        _, content = cv2.imencode('.png', pixels, parameters)
        path.write_bytes(content.tobytes())  # unlike cv2.imwrite, raises when the disk is full


def remove_stale_folders(parent: Path) -> None:
    """Remove what killed processes left beside the data set.

    Args:
        parent: folder in which the data set lies.
    """
    for leftover in parent.glob(f'{TEMPORARY_PREFIX}*'):
        newest = max(path.stat().st_mtime for path in (leftover, *leftover.rglob('*')))
        if time.time() - newest > STALE_SECONDS:
            shutil.rmtree(leftover, ignore_errors=True)
