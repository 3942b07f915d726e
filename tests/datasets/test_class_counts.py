"""Class counts of label files: values by hand, what is kept, and files that are wrong."""

from __future__ import annotations

import itertools
import json
import logging
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.distributed as dist
from mmengine.logging import MMLogger

from dts import compat
from dts.datasets import class_counts as module
from dts.datasets.class_counts import class_counts
from dts.datasets.folder import FolderDataset
from dts.datasets.gta5 import GTA5Dataset
from dts.datasets.sampler import RatioSampler
from runs import on_ranks
from small_trees import GTA5, SIZE, all_ids, make_gta5, write_image, write_labels

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools/dataset_converters'))


def gta5(root: Path, **kwargs: object) -> GTA5Dataset:
    """The data set on a tree that is there already."""
    prefix = dict(img_path='images', seg_map_path='labels')
    return GTA5Dataset(data_root=str(root), data_prefix=prefix, **kwargs)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """GTA5 whose second image has two rows of road and one of train, the rest ignored."""
    root = make_gta5(tmp_path)
    labels = np.zeros(SIZE, np.uint8)
    labels[3:5], labels[9] = 7, 31
    write_labels(root / 'labels' / f'{GTA5[1]}.png', labels)
    return root


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Label files that were read, in order."""
    files: list[str] = []
    plain = module.LoadLabels._load_seg_map

    def watched(self: object, results: dict) -> None:
        files.append(Path(results['seg_map_path']).stem)
        plain(self, results)

    monkeypatch.setattr(module.LoadLabels, '_load_seg_map', watched)
    return files


@pytest.mark.slow
def test_counts_by_hand(root: Path) -> None:
    counts = class_counts(gta5(root))
    height, width = SIZE
    expected = np.ones((3, 19), int)  # every id once
    expected[:, 13] += (height - 1) * (width - 24)  # car on the right
    expected[1] = 0
    expected[1, 0], expected[1, 16] = 2 * width, width
    assert counts.dtype == np.int64
    assert (counts == expected).all()


@pytest.mark.slow
def test_counted_once_then_read(root: Path, reads: list[str]) -> None:
    first = class_counts(gta5(root))
    assert reads == list(GTA5)
    (kept,) = root.glob('class_counts_*.json')
    content = json.loads(kept.read_text())
    assert content['classes'][:2] == ['road', 'sidewalk']
    assert set(content['files']) == {f'labels/{name}.png' for name in GTA5}
    assert (class_counts(gta5(root)) == first).all()
    assert len(reads) == 3


@pytest.mark.slow
def test_lists_share_the_file_and_keep_their_order(root: Path, reads: list[str]) -> None:
    (root / 'part.txt').write_text(f'{GTA5[2]}\n{GTA5[1]}\n')
    part = class_counts(gta5(root, ann_file='part.txt'))
    whole = class_counts(gta5(root))
    assert reads == [GTA5[2], GTA5[1], GTA5[0]]
    assert (part == whole[[2, 1]]).all()
    assert len(list(root.glob('class_counts_*.json'))) == 1


@pytest.mark.slow
def test_a_changed_label_file_is_counted_again(root: Path, reads: list[str]) -> None:
    class_counts(gta5(root))
    labels = np.zeros(SIZE, np.uint8)
    labels[:, 5:9] = 8
    write_labels(root / 'labels' / f'{GTA5[0]}.png', labels)
    counts = class_counts(gta5(root))
    assert reads[3:] == [GTA5[0]]
    assert counts[0].tolist() == [0, 4 * SIZE[0], *[0] * 17]


@pytest.mark.slow
def test_another_label_map_has_another_file(root: Path, reads: list[str]) -> None:
    class_counts(gta5(root))
    metainfo = dict(classes=('train', 'road'), palette=[[0, 80, 100], [128, 64, 128]])
    counts = class_counts(gta5(root, metainfo=metainfo))
    assert counts[1].tolist() == [SIZE[1], 2 * SIZE[1]]
    for path in root.glob('labels/*.png'):
        write_labels(path.with_name(f'{path.stem}_labelTrainIds.png'), np.zeros(SIZE))
    converted = gta5(root, seg_map_suffix='_labelTrainIds.png')
    assert class_counts(converted)[0, 0] == SIZE[0] * SIZE[1]
    assert len(reads) == 9
    assert len(list(root.glob('class_counts_*.json'))) == 3


@pytest.mark.slow
def test_a_file_counted_for_something_else_is_refused(root: Path) -> None:
    kept = root / 'counts.json'
    class_counts(gta5(root), str(kept))
    metainfo = dict(classes=('road',), palette=[[128, 64, 128]])
    with pytest.raises(ValueError, match=r'counts\.json was counted for other classes .*Delete'):
        class_counts(gta5(root, metainfo=metainfo), str(kept))
    whole = kept.read_text()
    kept.write_text(whole[:-9])
    with pytest.raises(ValueError, match=r'counts\.json is no file of class counts \(JSONDecode'):
        class_counts(gta5(root), str(kept))
    content = json.loads(whole)
    name = next(iter(content['files']))
    content['files'][name].pop()
    kept.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=rf'no file of class counts .*{name} has 18 counts'):
        class_counts(gta5(root), str(kept))


@pytest.mark.slow
def test_an_interrupted_count_goes_on(
    root: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = module._Masks.__getitem__

    def interrupted(self: object, index: int) -> object:
        if index == 2:
            raise KeyboardInterrupt
        return plain(self, index)

    with monkeypatch.context() as patch:
        patch.setattr(module._Masks, '__getitem__', interrupted)
        with pytest.raises(KeyboardInterrupt):
            class_counts(gta5(root))
    assert reads == list(GTA5[:2])
    counts = class_counts(gta5(root))
    assert reads == list(GTA5)  # the first two were kept
    assert counts[2, 0] == 1


@pytest.mark.slow
def test_trap_14_a_listed_label_file_that_is_gone_is_named(root: Path) -> None:
    dataset = gta5(root)
    class_counts(dataset)
    (root / 'labels' / f'{GTA5[1]}.png').unlink()
    with pytest.raises(FileNotFoundError, match=r'1 of 3 listed label files .*00002\.png'):
        class_counts(dataset)


@pytest.mark.slow
def test_trap_15_every_listed_file_is_checked_and_all_wrong_ones_are_named(root: Path) -> None:
    write_image(root / 'images' / f'{GTA5[0]}.png', (32, 50))
    write_labels(root / 'labels' / f'{GTA5[2]}.png', np.full(SIZE, 77))
    with pytest.raises(ValueError, match=r'2 of 3 label files cannot be used') as raised:
        class_counts(gta5(root))
    message = str(raised.value)
    assert '00001.png is 48 x 32' in message
    assert '24966.png holds the id 77' in message
    assert 'set `ann_file`' in message
    assert 'count_classes.py' in message
    write_image(root / 'images' / f'{GTA5[0]}.png')
    write_labels(root / 'labels' / f'{GTA5[2]}.png', all_ids(35))
    assert class_counts(gta5(root)).shape == (3, 19)


@pytest.mark.slow
def test_an_unlabeled_stream_is_refused(root: Path) -> None:
    dataset = GTA5Dataset(data_root=str(root), data_prefix=dict(img_path='images'))
    with pytest.raises(ValueError, match='GTA5Dataset has no label files to count'):
        class_counts(dataset)


@pytest.mark.slow
def test_a_place_that_cannot_be_written_is_a_warning(root: Path, tmp_path: Path) -> None:
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append
    MMLogger.get_current_instance().addHandler(handler)
    (tmp_path / 'file').write_text('')
    counts = class_counts(gta5(root), str(tmp_path / 'file/counts.json'))
    MMLogger.get_current_instance().removeHandler(handler)
    assert counts.shape == (3, 19)
    warnings = [r.getMessage() for r in records if r.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert 'set `file` of `rare_class`' in warnings[0]


@pytest.mark.slow
def test_counting_leaves_the_generators_of_the_process_alone(root: Path) -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    class_counts(gta5(root))
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.slow
def test_progress_says_how_long_it_takes(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(module, 'print_log', lambda text, *args, **kwargs: lines.append(text))
    clock = iter([0.0, 20.0, 40.0, 60.0])
    monkeypatch.setattr(module.time, 'monotonic', lambda: next(clock))
    class_counts(gta5(root))
    assert lines == [
        'counting the pixels of each class in 3 label files',
        '1 of 3 label files (33 %), 0:40 left',
        '2 of 3 label files (66 %), 0:20 left',
        '3 of 3 label files (100 %), 0:00 left',
    ]


@pytest.mark.slow
def test_processes_count_as_one(root: Path) -> None:
    counts = class_counts(gta5(root), str(root / 'a.json'), 2)
    assert (counts == class_counts(gta5(root))).all()


@pytest.mark.slow
def test_turned_jpeg_has_the_size_of_its_mask(tmp_path: Path) -> None:
    from PIL import Image

    write_image(tmp_path / 'images/a.jpg', (32, 48))
    image = Image.open(tmp_path / 'images/a.jpg')
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / 'images/a.jpg', exif=exif)
    labels = np.zeros((48, 32), np.uint8)
    labels[:4] = 1
    write_labels(tmp_path / 'masks/a.png', labels)
    dataset = FolderDataset(
        data_root=str(tmp_path),
        data_prefix=dict(img_path='images', seg_map_path='masks'),
        classes=('a', 'b'),
    )
    assert class_counts(dataset).tolist() == [[44 * 32, 4 * 32]]


@pytest.mark.slow
def test_the_tool_counts_and_shows(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture, reads: list[str]
) -> None:
    import count_classes

    config = tmp_path / 'config.py'
    config.write_text(
        'train_dataloader = dict(\n'
        "    sampler=dict(type='dts.RatioSampler', batch=dict(source=1),\n"
        '        rare_class=dict(source=dict(temperature=0.1, min_pixels=0))),\n'
        "    dataset=dict(type='dts.StreamDataset', streams=dict(source=dict(\n"
        f"        type='dts.GTA5Dataset', data_root={str(root)!r},\n"
        "        data_prefix=dict(img_path='images', seg_map_path='labels')))))\n"
    )
    count_classes.main([str(config)])
    out = capsys.readouterr().out.splitlines()
    assert out[0] == 'stream source: 3 images'
    total = 2 * 19 + 2 * (31 * 24) + 3 * 48
    assert [line.split()[:3] for line in out[2:4]] == [
        ['road', f'{100 * 98 / total:.3f}%', '3'],
        ['sidewalk', f'{100 * 2 / total:.3f}%', '2'],
    ]
    assert len(reads) == 3
    config.write_text(config.read_text().replace('rare_class', 'other'))
    with pytest.raises(ValueError, match='samples no rare classes'):
        count_classes.main([str(config)])


def draw_on_rank(root: Path) -> None:
    """Build the sampler on a rank; keep what it draws, or the error."""
    compat.init_cpu_process_group('pytorch')
    rank = dist.get_rank()
    reads: list[str] = []
    plain = module.LoadLabels._load_seg_map

    def watched(self: object, results: dict) -> None:
        reads.append(results['seg_map_path'])
        plain(self, results)

    module.LoadLabels._load_seg_map = watched
    streams = SimpleNamespace(streams={'source': gta5(root)})
    result: dict = {}
    try:
        options = dict(min_pixels=0, temperature=0.5)
        sampler = RatioSampler(streams, {'source': 1}, 0, rare_class={'source': options})
        result['drawn'] = [list(index) for index in itertools.islice(sampler, 20)]
    except ValueError as error:
        result['error'] = str(error)
    result['reads'] = len(reads)
    (root / f'rank{rank}.json').write_text(json.dumps(result))


@pytest.mark.slow
def test_rank_0_counts_for_all_and_all_end_at_an_error(root: Path) -> None:
    on_ranks(draw_on_rank, root)
    first, second = (json.loads((root / f'rank{rank}.json').read_text()) for rank in (0, 1))
    assert (first['reads'], second['reads']) == (3, 0)
    streams = SimpleNamespace(streams={'source': gta5(root)})
    options = dict(min_pixels=0, temperature=0.5)
    alone = RatioSampler(streams, {'source': 2}, 0, rare_class={'source': options})
    expected = [list(index) for index in itertools.islice(alone, 40)]
    assert [expected[0::2], expected[1::2]] == [first['drawn'], second['drawn']]
    write_labels(root / 'labels' / f'{GTA5[0]}.png', np.full(SIZE, 99))
    on_ranks(draw_on_rank, root)
    for rank in (0, 1):
        assert 'holds the id 99' in json.loads((root / f'rank{rank}.json').read_text())['error']
