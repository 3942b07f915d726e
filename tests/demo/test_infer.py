"""infer.py: labels are those of mmseg's own inference, for images and for frames of a video."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import cv2
import mmcv
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.apis import inference_model, init_model

ROOT = Path(__file__).parents[2]
for folder in ('demo', 'tools/model_converters', 'tests/zoo'):
    sys.path.insert(0, str(ROOT / folder))

import extract
import infer
from toy_files import CLASSES, write_run

OWN_DATA = (ROOT / 'docs/own_data.md').read_text()


@pytest.fixture
def run(tmp_path: Path) -> tuple[str, str]:
    """Config and checkpoint of a toy run; by this seed both networks see two classes and more."""
    torch.manual_seed(2)
    config, checkpoint, _ = write_run(tmp_path)
    return config, checkpoint


def by_mmseg(run: tuple[str, str], name: str, folder: Path):
    """Return the network as mmseg opens it; the state dicts are taken from the file by hand."""
    content = torch.load(run[1], weights_only=True)
    state = content['state_dict']
    if name != 'student':
        state = content['dts']['teachers']['teachers'][name]['state_dict']
    torch.save(dict(state_dict=state, meta=dict(dataset_meta=CLASSES)), folder / f'{name}.pth')
    whole = Config.fromfile(run[0])
    stock = dict(default_scope='mmseg', model=whole.model.student, test_pipeline=[])
    config = Config(stock, format_python_code=False)
    config.test_pipeline = whole.test_pipeline
    return init_model(config, str(folder / f'{name}.pth'), device='cpu')


def make_image(file: Path, seed: int) -> None:
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    mmcv.imwrite(cv2.resize(coarse, (48, 40), interpolation=cv2.INTER_NEAREST), str(file))


def labels_of(model, image) -> np.ndarray:
    return inference_model(model, image).pred_sem_seg.data[0].numpy()


@pytest.mark.parametrize(
    ('options', 'name'), [([], 'student'), (['--model', 'teacher'], 'teacher')]
)
def test_folder_is_predicted_as_by_mmseg(
    tmp_path: Path, run: tuple[str, str], options: list[str], name: str, capsys
) -> None:
    photos, out, labels = tmp_path / 'photos', tmp_path / 'out', tmp_path / 'labels'
    make_image(photos / 'a.png', 0)
    make_image(photos / 'street/b.jpg', 1)
    (photos / 'notes.txt').write_text('no image')
    infer.main([str(photos), *run, '--out', str(out), '--labels', str(labels), *options])
    shown = capsys.readouterr().err
    assert '2/2' in shown
    assert 'ETA' in shown
    model = by_mmseg(run, name, tmp_path)
    for image, written in (('a.png', 'a.png'), ('street/b.jpg', 'street/b.png')):
        expected = labels_of(model, str(photos / image))
        assert len(np.unique(expected)) > 1
        np.testing.assert_array_equal(mmcv.imread(str(labels / written), 'unchanged'), expected)
        # 60 % of the class color, stored as BGR, over 40 % of the image
        colors = np.array(CLASSES['palette'])[expected][..., ::-1]
        mixed = 0.6 * colors + 0.4 * mmcv.imread(str(photos / image))
        difference = np.abs(mmcv.imread(str(out / written)) - mixed)
        assert difference.max() <= 0.5 + 1e-6
    assert len(list(out.rglob('*.*'))) == len(list(labels.rglob('*.*'))) == 2


def test_networks_of_the_run_differ(tmp_path: Path, run: tuple[str, str]) -> None:
    """Otherwise the test above would not see which of them was taken."""
    make_image(tmp_path / 'a.png', 0)
    maps = [
        labels_of(by_mmseg(run, n, tmp_path), str(tmp_path / 'a.png'))
        for n in ('student', 'teacher')
    ]
    assert (maps[0] != maps[1]).any()


def test_frames_of_a_video_are_predicted_as_by_mmseg(tmp_path: Path, run: tuple[str, str]) -> None:
    file, labels = tmp_path / 'drive.avi', tmp_path / 'labels'
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*'MJPG'), 5, (48, 40))
    probe = cv2.VideoWriter(str(tmp_path / 'x.mp4'), cv2.VideoWriter.fourcc(*'mp4v'), 5, (48, 40))
    if not (writer.isOpened() and probe.isOpened()):
        pytest.skip('this OpenCV has no encoder for MJPG in AVI or mp4v in MP4')
    for seed in range(3):
        make_image(tmp_path / 'frame.png', seed)
        writer.write(mmcv.imread(str(tmp_path / 'frame.png')))
    writer.release()
    infer.main([str(file), *run, '--out', str(tmp_path / 'out'), '--labels', str(labels)])

    model, frames = by_mmseg(run, 'student', tmp_path), list(mmcv.VideoReader(str(file)))
    assert len(frames) == 3
    names = [f'{index:06d}.png' for index in range(3)]
    assert sorted(path.name for path in (labels / 'drive').iterdir()) == names
    maps = [mmcv.imread(str(labels / 'drive' / name), 'unchanged') for name in names]
    for labels_written, frame in zip(maps, frames, strict=True):
        np.testing.assert_array_equal(labels_written, labels_of(model, frame))
    assert (maps[0] != maps[1]).any()
    drawn = mmcv.VideoReader(str(tmp_path / 'out/drive.mp4'))
    assert (len(drawn), drawn.fps, drawn.resolution) == (3, 5, (48, 40))


def test_classes_without_colors_get_the_same_ones_every_time(tmp_path, run) -> None:
    content = torch.load(run[1], weights_only=True)
    torch.save(content['state_dict'], tmp_path / 'bare.pth')
    first, second = (
        infer.load_network(run[0], str(tmp_path / 'bare.pth'), None).dataset_meta['palette']
        for _ in range(2)
    )
    assert first == second
    assert len({tuple(color) for color in first}) == 3


def test_mistakes_are_told(tmp_path: Path, run: tuple[str, str], monkeypatch) -> None:
    photos = tmp_path / 'photos'
    options = [*run, '--out', str(tmp_path / 'out')]
    make_image(photos / 'a.png', 0)

    def told(error: type[Exception], message: str, *command: str) -> None:
        with pytest.raises(error, match=message):
            infer.main([str(part) for part in command])

    told(FileNotFoundError, 'no image, folder or video at .*gone', photos / 'gone', *options)
    told(ValueError, "no network named 'best', it has: student, teacher", photos, *options,
         '--model', 'best')  # fmt: skip
    told(FileNotFoundError, 'no config at', photos, 'gone.py', *options[1:])
    told(FileNotFoundError, 'no checkpoint at', photos, run[0], 'gone.pth', *options[2:])
    told(ValueError, r'a\.png is an input and would be overwritten', photos, *run, '--out', photos)
    told(ValueError, r'a\.png is an input and would be overwritten', photos, *options,
         '--labels', photos)  # fmt: skip
    (tmp_path / 'empty').mkdir()
    told(FileNotFoundError, r'empty holds no file of \.jpg', tmp_path / 'empty', *options)
    (tmp_path / 'clip.mp4').write_bytes(b'no video')
    told(ValueError, r'clip\.mp4 is no image .* codec is missing', tmp_path / 'clip.mp4', *options)
    whole = (photos / 'a.png').read_bytes()
    (photos / 'cut.png').write_bytes(whole[: len(whole) // 2])
    told(ValueError, r'cut\.png is truncated', photos / 'cut.png', *options)
    make_image(photos / 'a.jpg', 1)
    told(ValueError, r'a\.jpg and .*a\.png would both be written as a\.png', photos, *options)


def test_missing_encoder_is_told(tmp_path: Path, run: tuple[str, str], monkeypatch) -> None:
    class Closed:
        """A writer without its codec. No subclass of OpenCV's: those crash the interpreter."""

        fourcc = cv2.VideoWriter.fourcc

        def __init__(self, *args) -> None: ...

        def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
            return False

    class Capture:
        """One frame, whatever the file."""

        def __init__(self, file: str) -> None: ...

        def read(self):
            return True, np.zeros((4, 4, 3), np.uint8)

        def get(self, key: int) -> float:
            return 0.0

    monkeypatch.setattr(cv2, 'VideoWriter', Closed)
    monkeypatch.setattr(cv2, 'VideoCapture', Capture)
    (tmp_path / 'clip.mp4').touch()
    with pytest.raises(ValueError, match=r'cannot write .*clip\.mp4: .* codec mp4v'):
        infer.main([str(tmp_path / 'clip.mp4'), *run, '--out', str(tmp_path / 'out')])


def test_section_of_the_guide_works_as_written(tmp_path: Path, monkeypatch) -> None:
    """Both commands, then the Python lines, in a user's folder."""
    section = OWN_DATA.split('## 6.')[1].split('\n## ')[0]
    (guide_config,) = set(re.findall(r'configs/\S+\.py', section))
    commands = [shlex.split(line) for line in re.findall(r'^    python (.+)$', section, re.M)]
    (code,) = re.findall(r'```python\n(.*?)```', section, re.DOTALL)
    config, checkpoint, _ = write_run(tmp_path)
    monkeypatch.chdir(tmp_path)
    Path('work_dirs/mine').mkdir(parents=True)
    Path(checkpoint).rename('work_dirs/mine/iter_800.pth')
    make_image(Path('photos/photo.png'), 0)
    make_image(Path('photo.jpg'), 0)

    assert [script for script, *_ in commands] == [
        'demo/infer.py',
        'tools/model_converters/extract.py',
    ]
    for (_, *arguments), tool in zip(commands, (infer, extract), strict=True):
        tool.main([config if part == guide_config else part for part in arguments])
    assert mmcv.imread('work_dirs/mine/photos/photo.png').shape == (40, 48, 3)

    assert code.startswith('import dts\n')  # in a new process mmseg needs what it sets up
    names: dict = {}
    exec(code, names)
    run = (config, 'work_dirs/mine/iter_800.pth')
    expected = labels_of(by_mmseg(run, 'student', tmp_path), 'photo.jpg')
    np.testing.assert_array_equal(names['labels'], expected)


@pytest.mark.slow
def test_a_new_process_imports_in_an_order_that_works() -> None:
    """Without compiled operators mmseg can be imported after dts alone."""
    command = [sys.executable, 'demo/infer.py', '--help']
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert '--labels' in done.stdout
