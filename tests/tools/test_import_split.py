"""import_split.py: published lists become the lists that configs read, or are refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from small_trees import write_lines

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools/dataset_converters'))

import import_split

from dts.datasets.split_ids import fingerprint
from dts.protocols import lists

FINE = [f'2007_{number:06d}' for number in range(1464)]
COARSE = [f'2008_{number:06d}' for number in range(10582 - 1464)]


@pytest.fixture(autouse=True)
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table of known lists that is looked up in place of the shipped one; empty."""
    path = tmp_path / 'known_splits.json'
    path.write_text(json.dumps({'about': 'made up', 'lists': []}))
    monkeypatch.setattr(lists, 'KNOWN_LISTS', path)
    return path


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    """The lists of VOC 2012 with made-up names."""
    root = tmp_path / 'VOCdevkit/VOC2012'
    write_lines(root / 'ImageSets/Segmentation/train.txt', FINE)
    write_lines(root / 'ImageSets/Segmentation/trainaug.txt', FINE + COARSE)
    return root


def pairs(ids: list[str]) -> list[str]:
    """Lines as UniMatch publishes them."""
    return [f'JPEGImages/{item}.jpg SegmentationClass/{item}.png' for item in ids]


@pytest.mark.slow
@pytest.mark.parametrize('is_default', [True, False])
def test_list_and_its_complement_are_written(
    voc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_default: bool
) -> None:
    labeled = COARSE[:569] + FINE[:93]
    write_lines(tmp_path / 'published.txt', pairs(labeled))
    options = [] if is_default else ['--data-root', str(voc)]
    monkeypatch.setenv('DTS_DATA_ROOT', str(tmp_path if is_default else tmp_path / 'none'))
    import_split.main(['voc2012-blended-662-513', str(tmp_path / 'published.txt'), *options])
    parts = [
        (voc / f'splits/blended/662/{part}.txt').read_text().splitlines()
        for part in ('labeled', 'unlabeled')
    ]
    assert parts[0] == sorted(labeled)
    assert len(parts[1]) == 10582 - 662
    assert sorted(parts[0] + parts[1]) == FINE + COARSE


@pytest.mark.slow
def test_priority_list_is_not_called_blended(voc: Path, tmp_path: Path) -> None:
    write_lines(tmp_path / 'published.txt', FINE[:662])
    arguments = [str(tmp_path / 'published.txt'), '--data-root', str(voc)]
    with pytest.raises(ValueError, match=r'662 of its 662 .* as a priority list has'):
        import_split.main(['voc2012-blended-662-321', *arguments])
    assert not (voc / 'splits').exists()
    import_split.main(['voc2012-priority-662-321', *arguments])
    assert (voc / 'splits/priority/662/labeled.txt').is_file()


def test_list_is_verified_by_its_fingerprint_or_said_not_to_be(
    tmp_path: Path, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, ids = tmp_path / 'VOC2012', [f'2007_{number:06d}' for number in range(10582)]
    write_lines(root / 'ImageSets/Segmentation/trainaug.txt', ids)
    write_lines(tmp_path / 'published.txt', pairs(ids[:183]))
    arguments = ['voc2012-classic-183-321', str(tmp_path / 'published.txt')]
    arguments += ['--data-root', str(root)]
    import_split.main(arguments)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:] == ['not verified: no fingerprint of voc2012_classic_183 is known']
    name = {'name': 'voc2012_classic_183', 'size': 183}
    for known, is_right in ((ids[:183], True), (ids[1:184], False)):
        entry = {**name, 'sha256': fingerprint(known), 'source': 'https://x.org/y'}
        table.write_text(json.dumps({'about': 'made up', 'lists': [entry]}))
        if is_right:
            import_split.main(arguments)
            (line,) = capsys.readouterr().out.splitlines()
            assert line.endswith(f'sha256 of labeled {fingerprint(ids[:183])}')
        else:
            with pytest.raises(ValueError, match='not those of voc2012_classic_183 but unknown'):
                import_split.main(arguments)


def test_training_set_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'images/training').mkdir(parents=True)
    ids = [f'ADE_train_{number:08d}' for number in range(158)]
    for item in ids:
        (tmp_path / f'images/training/{item}.jpg').touch()
    write_lines(tmp_path / 'published.txt', ids)
    arguments = [str(tmp_path / 'published.txt'), '--data-root', str(tmp_path)]
    with pytest.raises(ValueError, match='training set has 158 images, expected 20210'):
        import_split.main(['ade20k-semivl-158-512', *arguments])


def test_all_protocols_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    import_split.main(['--list'])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ['voc2012-classic-92-321', 'splits/classic/92', 'whole;']
    assert lines[0].endswith('; not verified: no fingerprint of voc2012_classic_92 is known')
    with pytest.raises(SystemExit):
        import_split.main(['voc2012-classic-92-321'])
