"""make_splits.py from the command line."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from dts.datasets.split_ids import fingerprint

CONVERTERS = Path(__file__).resolve().parents[2] / 'tools' / 'dataset_converters'
SIZES = ['1/64', '1/32', '1/16', '1/8', '1/4', '1/2']
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


make_splits = load_tool('make_splits')
check_splits = load_tool('check_splits')


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """Return a list of 30 ids in 3 sequences."""
    path = tmp_path / 'train.txt'
    path.write_text(''.join(f'{item}\n' for item in IDS))
    return path


def draw(source: Path, out: Path, *options: str) -> int:
    """Run make_splits with two sizes and two seeds."""
    arguments = [str(source), str(out), '--sizes', '3', '1/5', '--seeds', '0', '1', '--name', 'toy']
    return make_splits.main([*arguments, *options])


def read_tree(folder: Path) -> dict[str, bytes]:
    """Return the content of every file below a folder."""
    files = sorted(path for path in folder.rglob('*') if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_camvid_lists_come_out_bit_for_bit(data_root: Path, tmp_path: Path) -> None:
    splits = data_root / 'camvid' / 'splits'
    arguments = [str(splits / 'all' / 'train.txt'), str(tmp_path), '--seeds', '0', '1', '2']
    arguments += ['--sizes', *SIZES, '--name', 'camvid', '--group-regex', '[^_]+']
    assert make_splits.main(arguments) == 0
    drawn = read_tree(tmp_path)
    del drawn['manifest.json']
    assert len(drawn) == 36
    assert drawn == read_tree(splits / 'semi')


def test_drawn_lists_pass_the_checker(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / 'splits'
    assert draw(whole, out, '--group-regex', '[^_]+') == 0
    assert sorted(read_tree(out)) == sorted(
        ['manifest.json']
        + [
            f'{size}/seed{seed}/{part}.txt'
            for size in ('3', '1_5')
            for seed in (0, 1)
            for part in ('labeled', 'unlabeled')
        ]
    )
    capsys.readouterr()
    assert check_splits.main([str(out), '--whole', str(whole), '--require-nested']) == 0
    assert capsys.readouterr().out.count('ok ') == 4


def test_manifest_says_what_was_drawn(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / 'splits'
    draw(whole, out, '--group-regex', '[^_]+')
    manifest = json.loads((out / 'manifest.json').read_text())
    assert manifest['whole'] == {'size': 30, 'sha256': fingerprint(IDS)}
    entry = manifest['splits']['1_5/seed1']
    labeled = (out / '1_5' / 'seed1' / 'labeled.txt').read_text().split()
    assert entry['labeled'] == {'size': 6, 'sha256': fingerprint(labeled)}
    assert entry['unlabeled']['size'] == 24
    assert entry['groups'] == {'seq0': 2, 'seq1': 2, 'seq2': 2}
    assert manifest['arguments']['name'] == 'toy'
    assert manifest['arguments']['group_regex'] == '[^_]+'


def test_same_arguments_give_the_same_bytes_in_any_order_of_the_list(
    whole: Path, tmp_path: Path
) -> None:
    draw(whole, tmp_path / 'first')
    whole.write_text(''.join(f'{item}\n' for item in reversed(IDS)))
    draw(whole, tmp_path / 'second')
    assert read_tree(tmp_path / 'first') == read_tree(tmp_path / 'second')


def test_lists_are_replaced_on_demand_only(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / 'splits'
    draw(whole, out)
    drawn = read_tree(out)
    edited = out / '1_5' / 'seed1' / 'unlabeled.txt'
    edited.write_text('edited\n')
    (out / 'manifest.json').unlink()
    before = read_tree(out)
    assert draw(whole, out) == 1
    assert 'pass --overwrite' in capsys.readouterr().err
    assert read_tree(out) == before
    assert draw(whole, out, '--overwrite') == 0
    assert read_tree(out) == drawn
    # Lists of another call may not nest with these, so the folder is taken as a whole.
    assert draw(whole, out, '--sizes', '4') == 1
    assert read_tree(out) == drawn


def write_images(folder: Path, rare: str) -> None:
    """Write an image and a mask per id; class 1 is in one mask only."""
    for part in ('img', 'ann'):
        (folder / part).mkdir()
    for item in IDS:
        labels = np.zeros((4, 4), np.uint8)
        labels[0] = 1 if item == rare else 0
        Image.fromarray(labels).save(folder / 'ann' / f'{item}.png')
        Image.fromarray(labels).save(folder / 'img' / f'{item}.jpg')


def test_a_folder_of_images_with_class_cover(tmp_path: Path) -> None:
    rare = IDS[17]
    write_images(tmp_path, rare)
    cover = ['--cover-masks', str(tmp_path / 'ann'), '--min-pixels']
    assert draw(tmp_path / 'img', tmp_path / 'cover', *cover, '4') == 0
    assert draw(tmp_path / 'img', tmp_path / 'out_of_reach', *cover, '5') == 0
    assert draw(tmp_path / 'img', tmp_path / 'plain') == 0
    trees = {name: read_tree(tmp_path / name) for name in ('cover', 'plain', 'out_of_reach')}
    lists = {
        name: [text for path, text in tree.items() if path.endswith('/labeled.txt')]
        for name, tree in trees.items()
    }
    assert len(lists['cover']) == 4
    assert all(rare.encode() in text for text in lists['cover'])
    assert not all(rare.encode() in text for text in lists['plain'])
    assert lists['out_of_reach'] == lists['plain']
    assert json.loads(trees['cover']['manifest.json'])['classes'] == [0, 1]
    assert json.loads(trees['out_of_reach']['manifest.json'])['classes'] == [0]


def test_blank_lines_of_the_whole_list_are_left_out_and_reported(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw(whole, tmp_path / 'first')
    whole.write_text('\n'.join(IDS[:5]) + '\n\n' + '\n'.join(IDS[5:]) + '\n\n')
    capsys.readouterr()
    assert draw(whole, tmp_path / 'second') == 0
    assert 'left out 2 blank lines, the first is line 6' in capsys.readouterr().err
    assert read_tree(tmp_path / 'first') == read_tree(tmp_path / 'second')


@pytest.mark.parametrize(
    ('text', 'options', 'message'),
    [
        ('', [], 'train.txt: no image in it'),
        ('a\nb\na\n', [], "1 ids occur more than once, the first is 'a'"),
        ('a\nb\n', [], "size '3' asks for 3 labels, but the whole list has 2 images"),
        ('a\nb\nc\nd\n', ['--sizes', 'half'], "size 'half': expected a count"),
        ('a\nb\nc\nd\n', ['--group-regex', 'seq'], "finds no group in 'a'"),
        ('a\nb\nc\nd\n', ['--group-regex', '('], 'is no regular expression'),
        ('a\nb\nc\nd\n', ['--cover-masks', '.', '--min-pixels', '0'], 'is 0, expected at least 1'),
        ('a\nb\nc\nd\n', ['--cover-masks', 'ann'], "no mask for 4 of 4 images, the first is 'a'"),
    ],
)
def test_bad_requests_give_one_error_and_write_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    text: str,
    options: list[str],
    message: str,
) -> None:
    (tmp_path / 'train.txt').write_text(text)
    (tmp_path / 'ann').mkdir()
    monkeypatch.chdir(tmp_path)
    assert draw(tmp_path / 'train.txt', tmp_path / 'out', *options) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith('error: ')
    assert message in lines[0]
    assert not (tmp_path / 'out').exists()
