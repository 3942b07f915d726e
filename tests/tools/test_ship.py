"""ship.py: one command scores a model and puts file, card and entry into the package."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from mmcv import imread, imwrite
from mmengine.config import Config

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS.parent / 'tools/model_converters'))
sys.path.insert(0, str(TESTS / 'zoo'))

import ship
from toy_files import CLASSES, PIPELINE, write_run

from dts.segmentor import decode_logits
from dts.zoo import index, store
from dts.zoo.models import build_segmentor
from dts.zoo.stock import stock_config
from dts.zoo.weights import read_weights

INDEX = """# Weights that dts knows.
entries:
- name: toy
  kind: backbone
  summary: 'older'   # quoted by hand
  license: MIT
  source: here
  files:
  - {name: toy.pth, urls: [], size: 1, sha256: null, sha256_prefix: '01234567'}
# Trained by this project.
- name: toy_net
  kind: model
  summary: 'older'
  license: MIT
  source: here
  config: run.py
  files:
  - {name: toy_net-01234567.safetensors, urls: [], size: 1, sha256_prefix: '01234567', sha256: null}
- name: toy_net_2
  kind: backbone
  summary: 'other'
  license: MIT
  source: here
  files:
  - {name: other.safetensors, urls: [], size: 1, sha256: null, sha256_prefix: '01234567'}
"""
LABEL_STEPS = [PIPELINE[0], dict(type='LoadAnnotations'), *PIPELINE[1:]]
SIZE = (16, 24)


class Package:
    """A repository with a run, three test images, and a package that has an older file."""

    def __init__(self, root: Path) -> None:
        self.root, self.weights, self.index = root, root / 'weights', root / 'index.yml'
        self.config, _, self.networks = write_run(root)
        rng = np.random.default_rng(0)
        for number in range(3):
            imwrite(rng.integers(0, 256, (*SIZE, 3), np.uint8), str(root / f'img/{number}.png'))
            imwrite(rng.integers(0, 3, SIZE, np.uint8), str(root / f'ann/{number}.png'))
        data = dict(
            type='BaseSegDataset', data_root=str(root), metainfo=CLASSES, img_suffix='.png',
            data_prefix=dict(img_path='img', seg_map_path='ann'), pipeline=LABEL_STEPS,
        )  # fmt: skip
        loader = dict(
            batch_size=1, num_workers=0, dataset=data,
            sampler=dict(type='DefaultSampler', shuffle=False),
        )  # fmt: skip
        cfg = Config.fromfile(self.config)
        cfg.merge_from_dict(
            dict(
                default_scope='mmseg', work_dir=str(root / 'work'), test_dataloader=loader,
                test_evaluator=dict(type='dts.SegmentationMetric'),
                test_cfg=dict(type='dts.ModelsTestLoop'),
                custom_imports=dict(imports=['toys']),
            )
        )  # fmt: skip
        cfg.dump(self.config)
        self.index.write_text(INDEX)
        self.weights.mkdir()
        self.older = [self.weights / f'toy_net-01234567{end}' for end in ('.safetensors', '.md')]
        self.others = [self.weights / f'toy_net_2-01234567{end}' for end in ('.safetensors', '.md')]
        for file in self.older + self.others:
            file.write_bytes(b'x')

    def ship(self, *options: str) -> None:
        ship.main([
            'run.py', str(self.root / 'iter_8.pth'), '--name', 'toy_net', '--license', 'MIT',
            '--summary', 'A toy: 3 classes', '--command', 'python tools/train.py run.py', *options,
        ])  # fmt: skip

    def files(self) -> set[Path]:
        return set(self.weights.iterdir())


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    (tmp_path / 'tools').symlink_to(TESTS.parent / 'tools')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('PYTHONPATH', f'{TESTS.parent}:{TESTS}')
    monkeypatch.setattr(ship, 'ROOT', tmp_path)
    monkeypatch.setattr(store, 'SHIPPED', tmp_path / 'weights')
    monkeypatch.setattr(index, 'INDEX_FILE', tmp_path / 'index.yml')
    return Package(tmp_path)


@torch.no_grad()
def miou_of(package: Package, file: Path) -> float:
    """Score the weights by hand."""
    model = stock_config(Config.fromfile(package.config)).model
    network = build_segmentor(model, read_weights(file)[0], str(file))
    overlap, union = np.zeros(3), np.zeros(3)
    for number in range(3):
        image = imread(str(package.root / f'img/{number}.png'))
        batch = network.data_preprocessor(
            dict(inputs=[torch.from_numpy(image).permute(2, 0, 1)], data_samples=None)
        )
        found = decode_logits(network, batch['inputs']).argmax(1)[0].numpy()
        labels = imread(str(package.root / f'ann/{number}.png'), 'unchanged')
        for k in range(3):
            overlap[k] += ((found == k) & (labels == k)).sum()
            union[k] += ((found == k) | (labels == k)).sum()
    return 100 * float((overlap / union).mean())


@pytest.mark.slow
def test_file_card_and_entry_replace_the_older_ones(package: Package) -> None:
    package.ship('--model', 'teacher')
    entry = index.find_entry('toy_net')
    file = package.weights / entry.files[0].name
    assert package.files() == {file, file.with_suffix('.md'), *package.others}
    assert store.path('toy_net') == file  # size and hash are those of the entry
    assert entry.files[0].sha256
    state = package.networks['teacher'].state_dict()
    torch.testing.assert_close(
        read_weights(file)[0], dict(state), rtol=1e-3, atol=1e-3, check_dtype=False
    )

    miou = miou_of(package, file)
    assert entry.summary == f'A toy: 3 classes, mIoU {miou:.1f} (teacher)'
    card = file.with_suffix('.md').read_text()
    assert re.search(rf'\| student/mIoU \| {miou:.2f} \|', card)
    assert '| Trained by | `python tools/train.py run.py` |' in card

    text = package.index.read_text()  # what stands around the entry is as it was
    before = INDEX[: INDEX.index('- name: toy_net\n')]
    assert text.startswith(before)
    assert text.endswith(INDEX[INDEX.index('- name: toy_net_2') :])
    assert len(yaml.safe_load(text)['entries']) == 3

    package.index.write_text(before)  # a name that is not there comes last
    package.ship('--model', 'student')
    assert list(index.read_index()) == ['toy', 'toy_net']
    assert '(student)' in index.find_entry('toy_net').summary
    assert not file.exists()


@pytest.mark.parametrize('limit', ['MAX_FILE', 'MAX_ALL'])
def test_a_package_that_grows_too_large_is_refused_before_scoring(
    package: Package, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    before = package.files()
    monkeypatch.setattr(ship, limit, 100)
    monkeypatch.setattr(ship, 'score', lambda *args: pytest.fail('scored'))
    with pytest.raises(ValueError, match=r'\d+ bytes.*expected fewer than 100'):
        package.ship()
    assert package.files() == before
    assert package.index.read_text() == INDEX


def test_the_file_that_is_replaced_takes_no_room(
    package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = package.root / 'new.safetensors'
    file.write_bytes(b'x' * 100)
    monkeypatch.setattr(ship, 'MAX_ALL', 102)
    ship.check_room(file, ship.earlier_files('toy_net'))
    with pytest.raises(ValueError, match='would hold 102 bytes'):
        ship.check_room(file, [])


def test_nothing_is_shipped_without_a_score(
    package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = package.files()
    failed = subprocess.CompletedProcess([], 1)
    monkeypatch.setattr(ship.subprocess, 'run', lambda *args, **kwargs: failed)
    with pytest.raises(ValueError, match='nothing was shipped'):
        package.ship()
    assert package.files() == before
    assert package.index.read_text() == INDEX


def test_configs_elsewhere_are_refused(package: Package) -> None:
    for config in (package.config, 'gone.py'):
        with pytest.raises(ValueError, match='name a config of the repository'):
            ship.main([
                config, str(package.root / 'iter_8.pth'), '--name', 'n', '--license', 'MIT',
                '--summary', 's', '--command', 'c',
            ])  # fmt: skip


def test_limits_are_those_of_the_package() -> None:
    assert (ship.MAX_FILE, ship.MAX_ALL) == (8_000_000, 16_000_000)
