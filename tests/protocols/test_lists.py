"""Lists held against protocols: size, fingerprint, composition, membership."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from dts.datasets.split_ids import fingerprint
from dts.datasets.split_lists import SplitList
from dts.protocols import lists
from dts.protocols.presets import PROTOCOLS, find_protocol
from small_trees import write_lines

# As many images as VOC has: 1464 of its own train list, the others of SBD.
FINE = [f'2007_{number:06d}' for number in range(1464)]
COARSE = [f'2008_{number:06d}' for number in range(10582 - 1464)]


def write_table(path: Path, **named_ids: Sequence[str]) -> Path:
    """A table of known lists as it is shipped."""
    entries = [
        {'name': name, 'size': len(ids), 'sha256': fingerprint(ids), 'source': 'https://x.org/y'}
        for name, ids in named_ids.items()
    ]
    path.write_text(json.dumps({'about': 'made up', 'lists': entries}))
    return path


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table of known lists that is looked up in place of the shipped one; empty."""
    path = write_table(tmp_path / 'known_splits.json')
    monkeypatch.setattr(lists, 'KNOWN_LISTS', path)
    return path


@pytest.fixture
def voc(tmp_path: Path, table: Path) -> Path:
    """The lists of VOC 2012 with made-up names, none known; no images are needed."""
    write_lines(tmp_path / 'ImageSets/Segmentation/train.txt', FINE)
    write_lines(tmp_path / 'ImageSets/Segmentation/trainaug.txt', FINE + COARSE)
    return tmp_path


def draw(num_fine: int, total: int) -> SplitList:
    """A list with so many fine masks."""
    ids = (*FINE[:num_fine], *COARSE[: total - num_fine])
    return SplitList(Path('labeled.txt'), 'ids', ids, ids)


SOUND = {
    'voc2012-classic-183-321': (183, 183),
    'voc2012-blended-662-513': (93, 662),
    'voc2012-blended-1323-513': (193, 1323),
    'voc2012-blended-2646-321': (388, 2646),
    'voc2012-blended-5291-321': (731, 5291),  # its number is not known
    'voc2012-priority-662-513': (662, 662),
    'voc2012-priority-1323-513': (1323, 1323),
    'voc2012-priority-2646-513': (1464, 2646),
}


@pytest.mark.parametrize('name', SOUND)
def test_list_of_its_family_passes(voc: Path, name: str) -> None:
    assert lists.check_labeled(find_protocol(name), draw(*SOUND[name]), voc) == []


@pytest.mark.parametrize(
    ('name', 'num_fine', 'size', 'fault'),
    [
        (
            'voc2012-blended-662-321',
            662,
            662,
            '662 of its 662 images are of the ImageSets/Segmentation/train.txt, as a priority '
            'list has; of 662, a blended list has 93',
        ),
        (
            'voc2012-priority-662-321',
            93,
            662,
            '93 of its 662 images are of the ImageSets/Segmentation/train.txt, as a blended list '
            'has; of 662, a priority list has 662',
        ),
        (
            'voc2012-blended-5291-321',
            1464,
            5291,
            '1464 of its 5291 images are of the ImageSets/Segmentation/train.txt, as a priority '
            'list has; of 5291, it is not one',
        ),
        (
            'voc2012-classic-183-321',
            180,
            183,
            '180 of its 183 images are of the ImageSets/Segmentation/train.txt; of 183, a classic '
            'list has 183',
        ),
        ('voc2012-classic-366-321', 183, 183, '183 labeled ids, expected 366'),
    ],
)
def test_list_of_another_family_is_refused(
    voc: Path, name: str, num_fine: int, size: int, fault: str
) -> None:
    assert fault in lists.check_labeled(find_protocol(name), draw(num_fine, size), voc)


def test_foreign_ids_and_a_training_set_that_is_not_whole(voc: Path) -> None:
    write_lines(voc / 'ImageSets/Segmentation/trainaug.txt', FINE + COARSE[5:])
    found = lists.check_labeled(find_protocol('voc2012-blended-662-321'), draw(93, 662), voc)
    assert found[0] == 'the training set has 10577 images, expected 10582'
    assert found[1].startswith('ids that the training set does not have: 2008_000000, ')
    assert found[1].endswith('and 2 more')


def test_form_is_checked(voc: Path) -> None:
    ids = (*FINE[:182], FINE[0])
    split = SplitList(Path('labeled.txt'), 'ids', ids, ids, blank_lines=(4,))
    found = lists.check_labeled(find_protocol('voc2012-classic-183-321'), split, voc)
    assert 'blank lines: 4' in found
    assert f'ids that occur more than once: {FINE[0]}' in found


def test_known_fingerprints_decide(voc: Path, table: Path) -> None:
    protocol = find_protocol('voc2012-blended-662-321')
    right, priority, unknown = draw(93, 662), draw(662, 662), draw(92, 662)
    write_table(table, voc2012_blended_662=right.ids[::-1], voc2012_priority_662=priority.ids)
    for path in (voc / 'ImageSets/Segmentation').iterdir():
        path.unlink()  # without VOC's own lists nothing but the ids tells the families apart
    assert lists.check_labeled(protocol, right, voc) == []
    assert lists.check_labeled(protocol, priority, voc) == [
        'its ids are not those of voc2012_blended_662 but of voc2012_priority_662'
    ]
    assert lists.check_labeled(protocol, unknown, voc) == [
        'its ids are not those of voc2012_blended_662 but unknown'
    ]
    assert lists.note_labeled(protocol) == []


def test_list_without_a_known_fingerprint_is_not_verified(voc: Path, table: Path) -> None:
    protocol = find_protocol('voc2012-blended-662-321')
    note = 'not verified: no fingerprint of voc2012_blended_662 is known'
    assert lists.check_labeled(protocol, draw(93, 662), voc) == []
    assert lists.note_labeled(protocol) == [note]
    table.unlink()  # as in an installed package
    assert lists.check_labeled(protocol, draw(93, 662), voc) == []
    assert lists.note_labeled(protocol) == [note]


def test_published_pairs_of_cityscapes_become_stems(tmp_path: Path) -> None:
    path = tmp_path / 'labeled.txt'
    write_lines(
        path,
        [
            'leftImg8bit/train/jena/jena_000078_000019_leftImg8bit.png '
            'gtFine/train/jena/jena_000078_000019_gtFine_labelTrainIds.png',
            'leftImg8bit/train/ulm/ulm_000001_000019_leftImg8bit.png '
            'gtFine/train/ulm/ulm_000001_000019_gtFine_labelTrainIds.png',
        ],
    )
    protocol = find_protocol('cityscapes-cps-186-801')
    split = lists.read_labeled(protocol, path, tmp_path)
    assert split.ids == ('jena/jena_000078_000019', 'ulm/ulm_000001_000019')


def test_shipped_table_is_of_published_lists() -> None:
    entries = json.loads(lists.KNOWN_LISTS.read_text())['lists']
    sizes = {protocol.list_name: protocol.num_labeled for protocol in PROTOCOLS.values()}
    published = {entry['name']: entry for entry in entries if 'source' in entry}
    assert {name: entry['size'] for name, entry in published.items()}.items() <= sizes.items()
    assert all(
        entry['source'].startswith('https://github.com/')
        and re.search('/blob/[0-9a-f]{40}/', entry['source'])
        for entry in published.values()
    )
    assert len({entry['sha256'] for entry in entries}) == len(entries)
    assert len({entry['name'] for entry in entries}) == len(entries)
    families = {'classic': 5, 'blended': 3, 'priority': 2, 'cps': 3, 'semivl': 3, 'pseudoseg': 2}
    assert Counter(name.split('_')[1] for name in published) == families
