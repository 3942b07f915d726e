"""Rows of a table that cannot be compared are refused before anything runs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools/benchmarks'))

from result_table import configs
from result_table.configs import check_teachers
from result_table.protocols import check_protocols
from result_table.table_file import load_table

CONFIG = """
crop_size = (321, 321)
voc = dict(type='dts.VOC2012Dataset', data_root='data/none')
train_dataloader = dict(
    sampler=dict(batch=dict(labeled=2, unlabeled=2)),
    dataset=dict(
        streams=dict(
            labeled=dict(
                ann_file='labeled.txt',
                pipeline=[dict(type='RandomCrop', crop_size=crop_size)],
                **voc,
            ),
            unlabeled=dict(ann_file='unlabeled.txt', pipeline=[], **voc),
        )
    ),
)
test_dataloader = dict(
    dataset=dict(ann_file='val.txt', pipeline=[dict(type='PackSegInputs')], **voc)
)
test_cfg = dict(models=['student', 'teacher'])
model = dict(student=dict(test_cfg=dict(mode='whole')))
"""
TABLE = """
name: toy
title: Toy
readme: README.md
columns: [student/mIoU]
seeds: [0, 1]
rows:
  - {{name: Base, config: base.py}}
  - {{name: Other, config: other.py, options: {{{options}}}{columns}}}
splits:
  - {{name: 1/8, options: {{}}}}
  - {{name: 1/4, options: {{{split}}}}}
"""
LABELED = 'train_dataloader.dataset.streams.labeled.ann_file'
BLENDED = "protocol = 'voc2012-blended-662-321'\n"


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Checks a table of two rows whose configs differ as told."""
    monkeypatch.chdir(tmp_path)

    def run(base: str = '', other: str = '', options: str = '', columns: str = '', split: str = ''):
        (tmp_path / 'base.py').write_text(CONFIG + base)
        (tmp_path / 'other.py').write_text(CONFIG + other)
        text = TABLE.format(options=options, columns=columns, split=split)
        (tmp_path / 'table.yml').write_text(text)
        # Configs are read once per process, and every test writes its own.
        configs._read_file.cache_clear()
        check_protocols(load_table(Path('table.yml')))

    return run


def test_rows_of_one_protocol_pass(check) -> None:
    check()
    check(BLENDED, BLENDED)
    check(split=f'{LABELED}: other.txt')  # another column may have another list


def test_baseline_without_unlabeled_images_passes(check) -> None:
    stream = "train_dataloader['dataset']['streams']['unlabeled']['ann_file'] = 'other.txt'\n"
    with pytest.raises(ValueError, match='differ in unlabeled images'):
        check(other=stream)
    check(other=stream + "train_dataloader['sampler']['batch']['unlabeled'] = 0\n")


@pytest.mark.parametrize(
    ('differences', 'message'),
    [
        (
            {'options': f'{LABELED}: other.txt'},
            "'Base' and 'Other' of column '1/8' differ in label",
        ),
        (
            {'other': CONFIG.replace('321', '513')},
            r'in crop: \[\(321, 321\)\] and \[\(513, 513\)\]',
        ),
        (
            {'options': 'model.student.test_cfg: {mode: slide, crop_size: [9, 9], stride: [6, 6]}'},
            r'in evaluation: whole and slide \(crop_size \(9, 9\), stride \(6, 6\)\)',
        ),
        ({'options': 'test_dataloader.dataset.ann_file: test.txt'}, 'in scored images'),
        ({'other': BLENDED}, 'in protocol: None and voc2012-blended-662-321'),
        (
            {'base': BLENDED, 'other': BLENDED.replace('blended', 'priority')},
            'in protocol: voc2012-blended-662-321 and voc2012-priority-662-321',
        ),
        (
            {'other': BLENDED.replace('321', '513')},
            "row 'Other' of column '1/8': the config names the protocol voc2012-blended-662-513",
        ),
        (
            {'base': BLENDED, 'other': BLENDED, 'columns': ', columns: [mean/mIoU]'},
            r"'Other' prints mean/mIoU, but the protocol .* scores \['student', 'teacher'\]",
        ),
    ],
)
def test_differences_are_named(check, differences: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check(**differences)


@pytest.mark.slow
def test_tables_of_the_repository_pass(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    files = sorted(Path('configs').glob('*/table_*.yml'))
    assert files
    for file in files:
        table = load_table(file)
        check_protocols(table)
        check_teachers(table)
