"""Branches are normalised, padded to one size, and kept apart."""

import numpy as np
import pytest
import torch

from dts.methods.preprocessor import BranchDataPreprocessor
from dts.registry import MODELS
from toys import toy_sample, toy_segmentor_config


def preprocessor():
    return BranchDataPreprocessor(MODELS.build(toy_segmentor_config()['data_preprocessor']))


def batch(**branches):
    return {
        key: {name: [sample[key] for sample in samples] for name, samples in branches.items()}
        for key in ('inputs', 'data_samples')
    }


def test_branches_of_different_sizes_come_out_at_one_size_in_their_places():
    rng = np.random.default_rng(0)
    small, large = toy_sample((4, 6), 3, rng), toy_sample((5, 4), None, rng)
    originals = small['inputs'].clone(), large['inputs'].clone()
    labels = small['data_samples'].gt_sem_seg.data.clone()
    out = preprocessor()(batch(labeled=[small], weak=[large, large]), training=True)
    assert out['inputs'].keys() == out['data_samples'].keys() == {'labeled', 'weak'}
    assert out['inputs']['labeled'].shape == (1, 3, 5, 6)
    assert out['inputs']['weak'].shape == (2, 3, 5, 6)
    for name, original in zip(('labeled', 'weak'), originals, strict=True):
        _, height, width = original.shape
        expected = (original.flip(0).float() - 127.5) / 127.5  # BGR to RGB
        torch.testing.assert_close(out['inputs'][name][0, :, :height, :width], expected)
        assert (out['inputs'][name][0, :, height:] == 0).all()
        assert (out['inputs'][name][0, :, :, width:] == 0).all()
    padded = out['data_samples']['labeled'][0].gt_sem_seg.data
    assert torch.equal(padded[:, :4], labels)
    assert (padded[:, 4:] == 255).all()
    assert len(out['data_samples']['weak']) == 2
    assert tuple(out['data_samples']['weak'][1].img_shape) == (5, 4)


def test_plain_batches_pass_through():
    image = torch.zeros(3, 4, 4, dtype=torch.uint8)
    out = preprocessor()({'inputs': [image], 'data_samples': None}, training=False)
    torch.testing.assert_close(out['inputs'], torch.full((1, 3, 4, 4), -1.0))


def test_a_missing_branch_is_named_with_the_keys_that_decide_it():
    sample = toy_sample((4, 4), 3, np.random.default_rng(0))
    out = preprocessor()(batch(labeled=[sample]), training=True)
    for part in out.values():
        with pytest.raises(KeyError, match=r"no branch 'unlabeled_strong_2', only \['labeled'\]"):
            part['unlabeled_strong_2']
    with pytest.raises(KeyError, match=r'dts.Branches .* train_dataloader.sampler.batch'):
        out['inputs']['unlabeled_strong_2']
