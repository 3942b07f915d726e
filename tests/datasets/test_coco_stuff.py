"""COCO-Stuff readers: class table, names, void values; MMSeg's class reads the same labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmseg.datasets import COCOStuffDataset
from mmseg.datasets.transforms import LoadAnnotations

from coco_stuff_trees import STUFF10K, make_coco_stuff10k, make_coco_stuff164k, three_rows
from dts.datasets.coco_stuff10k import COCOStuff10KDataset
from dts.datasets.coco_stuff164k import COCOStuff164KDataset
from dts.datasets.transforms.loading import LoadImage, LoadLabels
from small_trees import COCO, write_labels


def arguments10k(root: Path) -> dict[str, Any]:
    return dict(
        data_root=str(root),
        ann_file='imageLists/train.txt',
        data_prefix=dict(img_path='images', seg_map_path='annotations/train2014'),
    )


def arguments164k(root: Path) -> dict[str, Any]:
    prefix = dict(img_path='images/train2017', seg_map_path='annotations/train2017')
    return dict(data_root=str(root), data_prefix=prefix)


def labels_of(dataset: Any, index: int = 0) -> np.ndarray:
    """Load the labels of a sample as training does, with the check of their range."""
    info = dataset.get_data_info(index)
    info['num_classes'] = len(dataset.metainfo['classes'])
    return LoadLabels()(LoadImage()(info))['gt_seg_map']


def test_both_sets_have_the_171_classes_of_mmseg() -> None:
    for cls in (COCOStuff10KDataset, COCOStuff164KDataset):
        assert cls.METAINFO == COCOStuffDataset.METAINFO
        assert len(set(cls.METAINFO['classes'])) == 171
    assert cls.METAINFO['classes'][0] == 'person'
    assert cls.METAINFO['classes'][170] == 'wood'


def test_10k_ignores_0_and_counts_from_1(tmp_path: Path) -> None:
    root = make_coco_stuff10k(tmp_path, with_masks=True)
    dataset = COCOStuff10KDataset(**arguments10k(root), serialize_data=False)
    stems = [Path(info['img_path']).stem for info in dataset]
    assert stems == list(STUFF10K['train'])
    assert (labels_of(dataset) == three_rows(255, 0, 170)).all()


def test_164k_ignores_255_and_reads_train_ids(tmp_path: Path) -> None:
    root = make_coco_stuff164k(tmp_path, with_masks=True)
    dataset = COCOStuff164KDataset(**arguments164k(root), serialize_data=False)
    stems = [Path(info['img_path']).stem for info in dataset]
    assert stems == list(COCO['train2017'])
    assert (labels_of(dataset) == three_rows(255, 0, 170)).all()


def test_published_ids_of_164k_are_refused_where_they_name_no_class(tmp_path: Path) -> None:
    root = make_coco_stuff164k(tmp_path)
    dataset = COCOStuff164KDataset(
        **arguments164k(root), seg_map_suffix='.png', serialize_data=False
    )
    with pytest.raises(ValueError, match=r'holds the value\(s\) 171, 172, .* for 171 classes'):
        labels_of(dataset)


def test_masks_of_10k_are_refused_without_their_shift(tmp_path: Path) -> None:
    root = make_coco_stuff10k(tmp_path, with_masks=True)
    dataset = COCOStuff10KDataset(
        **arguments10k(root), reduce_zero_label=False, serialize_data=False
    )
    with pytest.raises(ValueError, match=r'value\(s\) 171 .* set `reduce_zero_label=True`'):
        labels_of(dataset)


def test_mmseg_reads_the_same_labels(tmp_path: Path) -> None:
    cases = [
        (COCOStuff10KDataset, arguments10k(make_coco_stuff10k(tmp_path, True)), True),
        (COCOStuff164KDataset, arguments164k(make_coco_stuff164k(tmp_path, True)), False),
    ]
    for cls, arguments, reduces in cases:
        stock = COCOStuffDataset(**arguments, reduce_zero_label=reduces, serialize_data=False)
        theirs = LoadAnnotations(reduce_zero_label=reduces)(stock.get_data_info(1))
        ours = labels_of(cls(**arguments, serialize_data=False), 1)
        assert (theirs['gt_seg_map'] == ours).all()


def test_image_without_mask_is_named(tmp_path: Path) -> None:
    root = make_coco_stuff10k(tmp_path, with_masks=True)
    name = STUFF10K['train'][1]
    (root / 'annotations/train2014' / f'{name}_labelTrainIds.png').unlink()
    with pytest.raises(FileNotFoundError, match=rf'{name}_labelTrainIds\.png .*train\.txt, line 2'):
        COCOStuff10KDataset(**arguments10k(root))
    arguments = arguments10k(root) | dict(data_prefix=dict(img_path='images'))
    unlabeled = COCOStuff10KDataset(**arguments, serialize_data=False)
    assert 'seg_map_path' not in unlabeled[0]


def test_all_void_is_allowed(tmp_path: Path) -> None:
    root = make_coco_stuff10k(tmp_path, with_masks=True)
    name = STUFF10K['train'][0]
    write_labels(root / f'annotations/train2014/{name}_labelTrainIds.png', three_rows(0, 0, 0))
    dataset = COCOStuff10KDataset(**arguments10k(root), serialize_data=False)
    assert (labels_of(dataset) == 255).all()
