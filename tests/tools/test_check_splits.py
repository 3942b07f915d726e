"""check_splits.py from the command line: every fault of a list gives its one line."""

from __future__ import annotations

import importlib.util
import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from dts.datasets.split_ids import fingerprint

CONVERTERS = Path(__file__).resolve().parents[2] / 'tools' / 'dataset_converters'
IDS = [f'seq{number % 3}_{number:02d}' for number in range(30)]


def load_tool(name: str) -> ModuleType:
    """Import a tool by its file."""
    spec = importlib.util.spec_from_file_location(name, CONVERTERS / f'{name}.py')
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


check_splits = load_tool('check_splits')


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """Return a folder with sound lists, images and masks."""
    for part, extension in (('img', 'jpg'), ('ann', 'png')):
        (tmp_path / part).mkdir()
        for item in IDS:
            (tmp_path / part / f'{item}.{extension}').touch()
    for name, ids in (('labeled', IDS[:10]), ('unlabeled', IDS[10:]), ('train', IDS)):
        (tmp_path / f'{name}.txt').write_text(''.join(f'{item}\n' for item in ids))
    return tmp_path


def check(folder: Path, *options: str) -> int:
    """Run check_splits on the lists of a folder with everything that can be checked."""
    arguments = [str(folder), '--whole', str(folder / 'train.txt'), '--expect-size', '10']
    arguments += ['--img-dir', str(folder / 'img'), '--ann-dir', str(folder / 'ann')]
    return check_splits.main([*arguments, *options])


def replace_line(path: Path, old: str, new: str) -> None:
    """Replace one line of a list."""
    path.write_text(path.read_text().replace(f'{old}\n', new))


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    'blank': (
        lambda root: replace_line(root / 'labeled.txt', IDS[1], f'{IDS[1]}\n\n'),
        'labeled: blank lines: 3',
    ),
    'repeat': (
        lambda root: replace_line(root / 'unlabeled.txt', IDS[11], f'{IDS[11]}\n{IDS[11]}\n'),
        f'unlabeled: ids that occur more than once: {IDS[11]}',
    ),
    'overlap': (
        lambda root: replace_line(root / 'unlabeled.txt', IDS[11], f'{IDS[11]}\n{IDS[1]}\n'),
        f'ids both labeled and unlabeled: {IDS[1]}',
    ),
    'incomplete': (
        lambda root: replace_line(root / 'unlabeled.txt', IDS[11], ''),
        f'ids of the whole list in neither list: {IDS[11]}',
    ),
    'foreign': (
        lambda root: replace_line(root / 'train.txt', IDS[11], ''),
        f'ids that the whole list does not have: {IDS[11]}',
    ),
    'image gone': (
        lambda root: (root / 'img' / f'{IDS[20]}.jpg').unlink(),
        f'img for: {IDS[20]}',
    ),
    'mask gone': (
        lambda root: (root / 'ann' / f'{IDS[2]}.png').unlink(),
        f'ann for: {IDS[2]}',
    ),
    'whole list repeats': (
        lambda root: replace_line(root / 'train.txt', IDS[1], f'{IDS[1]}\n{IDS[1]}\n'),
        f'train.txt: ids that occur more than once: {IDS[1]}',
    ),
    'no unlabeled list': (
        lambda root: (root / 'unlabeled.txt').unlink(),
        'unlabeled.txt: no such list file',
    ),
    'no list': (
        lambda root: (root / 'labeled.txt').unlink(),
        'no labeled.txt in this folder or below',
    ),
}


def test_sound_lists_pass(sound: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (sound / 'ann' / f'{IDS[20]}.png').unlink()  # an unlabeled image needs no mask
    assert check(sound) == 0
    digest = fingerprint(IDS[:10])
    (line,) = capsys.readouterr().out.splitlines()
    assert line == f'ok   {sound}: 10 labeled, 20 unlabeled, sha256 {digest}, no known list'


@pytest.mark.parametrize('case', FAULTS)
def test_every_fault_gives_its_one_line(
    sound: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    break_list, message = FAULTS[case]
    break_list(sound)
    assert check(sound) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith('FAIL')]
    assert len(lines) == 1
    assert lines[0].endswith(message)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--expect-size', '11'], '10 labeled ids, expected 11'),
        (['--expect-name', 'camvid_1_16_seed0'], 'not those of camvid_1_16_seed0 but unknown'),
        (['--expect-name', 'typo'], "FAIL 'typo' is neither a known nor a published list: ["),
        (['--ann-dir', 'gone'], 'FAIL gone: no such folder'),
    ],
)
def test_expectations_that_do_not_hold_fail(
    sound: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert check(sound, *options) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert message in line


def test_priority_list_is_told_from_blended_by_its_ids(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = [f'2007_{number:06d}' for number in range(700)]
    drawn = {'blended': whole[:662], 'priority': whole[38:]}
    entries = [
        {'name': f'voc2012_{family}_662', 'size': 662, 'sha256': fingerprint(ids), 'source': 'x'}
        for family, ids in drawn.items()
    ]
    (tmp_path / 'known.json').write_text(json.dumps({'about': 'made up', 'lists': entries}))
    options = ['--known', str(tmp_path / 'known.json')]
    for folder, family in (('blended', 'priority'), ('priority', 'priority')):
        ids = drawn[family]
        for part, items in (('labeled', ids), ('unlabeled', sorted(set(whole) - set(ids)))):
            path = tmp_path / 'splits' / folder / '662' / f'{part}.txt'
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(''.join(f'{item}\n' for item in items))
    (tmp_path / 'list.txt').write_bytes(path.with_name('labeled.txt').read_bytes())
    assert check_splits.main([str(tmp_path / 'splits' / 'priority'), *options]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith(', voc2012_priority_662')
    fault = 'its ids are not those of voc2012_blended_662 but of voc2012_priority_662'
    for arguments in (
        [str(tmp_path / 'splits' / 'blended')],  # the folder says what the list must be
        ['--labeled', str(tmp_path / 'list.txt'), '--expect-name', 'voc2012_blended_662'],
    ):
        assert check_splits.main([*arguments, *options]) == 1
        (line,) = capsys.readouterr().out.splitlines()
        assert line.endswith(fault)


def test_published_list_without_a_fingerprint_is_not_verified(
    sound: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (sound / 'known.json').write_text(json.dumps({'lists': []}))
    options = ['--expect-name', 'cityscapes_cps_372', '--known', str(sound / 'known.json')]
    assert check(sound, *options) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        f'note {sound}: not verified: no fingerprint of cityscapes_cps_372 is known'
    ]


def test_lists_that_do_not_nest_are_a_note_or_a_fault(
    sound: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for size, ids in (('2', IDS[1:3]), ('3', IDS[2:5])):
        (sound / 'splits' / size / 'seed0').mkdir(parents=True)
        for part, items in (('labeled', ids), ('unlabeled', set(IDS) - set(ids))):
            path = sound / 'splits' / size / 'seed0' / f'{part}.txt'
            path.write_text(''.join(f'{item}\n' for item in sorted(items)))
    arguments = [str(sound / 'splits'), '--whole', str(sound / 'train.txt')]
    assert check_splits.main(arguments) == 0
    assert 'note not nested' in capsys.readouterr().out
    assert check_splits.main([*arguments, '--require-nested']) == 1
    assert 'FAIL not nested' in capsys.readouterr().out


def test_one_order_is_cut_into_labeled_and_unlabeled(
    sound: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order = np.random.default_rng(0).permutation(30)
    (sound / 'split_0.pkl').write_bytes(pickle.dumps(order))
    arguments = ['--labeled', str(sound / 'split_0.pkl'), '--whole', str(sound / 'train.txt')]
    assert check_splits.main([*arguments, '--num-labeled', '4', '--expect-size', '4']) == 0
    labeled = [IDS[index] for index in order[:4]]
    assert f'4 labeled, 26 unlabeled, sha256 {fingerprint(labeled)}' in capsys.readouterr().out
    assert check_splits.main([*arguments, '--num-labeled', '30']) == 1
    assert '30 ids, cannot label 30 of them' in capsys.readouterr().out


def test_one_json_file_holds_both_lists(sound: Path) -> None:
    path = sound / 'split.json'
    path.write_text(json.dumps({'labeled': IDS[:10], 'unlabeled': IDS[10:]}))
    arguments = ['--labeled', str(path), '--unlabeled', str(path)]
    assert check_splits.main([*arguments, '--whole', str(sound / 'img')]) == 0
    path.write_text(json.dumps({'labeled': IDS[:10], 'unlabeled': IDS[9:]}))
    assert check_splits.main([*arguments, '--whole', str(sound / 'img')]) == 1


def test_malicious_pickle_is_one_fault(sound: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = sound / 'created'
    content = f'cbuiltins\nopen\n(V{target}\nVw\ntR.'
    (sound / 'evil.pkl').write_text(content)
    arguments = ['--labeled', str(sound / 'evil.pkl'), '--whole', str(sound / 'train.txt')]
    assert check_splits.main(arguments) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert 'asks for builtins.open; refused' in line
    assert not target.exists()


@pytest.mark.parametrize(
    'arguments', [[], ['splits', '--labeled', 'a'], ['splits', '--num-labeled', '3']]
)
def test_arguments_that_do_not_go_together_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        check_splits.main(arguments)


def test_camvid_lists_are_sound_and_known(
    data_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    camvid = data_root / 'camvid'
    arguments = [str(camvid / 'splits' / 'semi'), '--require-nested']
    arguments += ['--whole', str(camvid / 'splits' / 'all' / 'train.txt')]
    arguments += ['--img-dir', str(camvid / 'img_dir' / 'train')]
    arguments += ['--ann-dir', str(camvid / 'ann_dir' / 'train')]
    assert check_splits.main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    sound = [line.split() for line in lines if line.startswith('ok')]
    names = sorted(fields[-1] for fields in sound)
    expected = [f'camvid_1_{d}_seed{seed}' for d in (2, 4, 8, 16, 32, 64) for seed in range(3)]
    assert names == sorted(expected)
    assert 'nested seed2: 6 < 11 < 23 < 46 < 92 < 184' in lines


def test_known_lists_have_the_shape_of_the_table() -> None:
    entries = json.loads(check_splits.KNOWN_LISTS.read_text())['lists']
    keys = {'name', 'size', 'sha256'}
    assert all(keys <= entry.keys() <= keys | {'source'} for entry in entries)
    assert all(len(bytes.fromhex(entry['sha256'])) == 32 for entry in entries)


def test_names_of_published_lists_do_not_collide() -> None:
    names = {protocol.list_name for protocol in check_splits.PROTOCOLS.values()}
    assert len(check_splits.PUBLISHED) == len(names)
