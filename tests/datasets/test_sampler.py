"""Order of samples: every index once, any number of ranks, any starting point."""

from collections import Counter
from itertools import islice
from types import SimpleNamespace

import pytest
from torch.utils.data import DataLoader

from dts.datasets import sampler as sampler_module
from dts.datasets.sampler import RatioSampler, mix_seed
from dts.loops import TrainLoop

STREAMS = SimpleNamespace(streams={'labeled': range(5), 'unlabeled': range(12)})


def take(num_batches: int, batch: dict, skip: int = 0, seed: int = 0) -> list[list]:
    sampler = RatioSampler(STREAMS, batch, seed)
    sampler.skip(skip)
    size = sum(batch.values())
    samples = list(islice(sampler, num_batches * size))
    return [samples[i : i + size] for i in range(0, len(samples), size)]


def test_every_index_comes_once_before_any_comes_again():
    batches = take(60, {'labeled': 2, 'unlabeled': 3})
    for stream, length in (('labeled', 5), ('unlabeled', 12)):
        indices = [s.item for batch in batches for s in batch if s.stream == stream]
        for start in range(0, len(indices) - length + 1, length):
            assert sorted(indices[start : start + length]) == list(range(length))


def test_batches_hold_the_ratio_in_order():
    for batch in take(10, {'labeled': 2, 'unlabeled': 3}):
        assert [s.stream for s in batch] == ['labeled'] * 2 + ['unlabeled'] * 3


def test_pairing_changes_between_passes():
    batches = take(60, {'labeled': 1, 'unlabeled': 1})
    partners = Counter((b[0].item, b[1].item) for b in batches)
    assert len(partners) > 30  # 60 possible pairs; a fixed pairing would give 12 at most


def test_skip_equals_iterating():
    batch = {'labeled': 2, 'unlabeled': 3}
    assert take(5, batch, skip=17) == take(22, batch)[17:]


def test_ranks_share_the_samples_of_one_process(monkeypatch):
    alone = take(8, {'labeled': 2, 'unlabeled': 4})
    ranks = []
    for rank in (0, 1):
        monkeypatch.setattr(sampler_module, 'get_dist_info', lambda rank=rank: (rank, 2))
        ranks.append(take(8, {'labeled': 1, 'unlabeled': 2}))
    for batch, first, second in zip(alone, *ranks, strict=True):
        assert sorted(batch) == sorted(first + second)


def test_an_unused_stream_does_not_move_the_other():
    both = [
        [s for s in b if s.stream == 'labeled'] for b in take(9, {'labeled': 2, 'unlabeled': 3})
    ]
    assert both == take(9, {'labeled': 2, 'unlabeled': 0})


def test_augmentation_seeds_differ_between_passes_and_runs():
    seeds = [s.seed for b in take(50, {'labeled': 2, 'unlabeled': 2}) for s in b]
    assert len(set(seeds)) == len(seeds)
    assert take(3, {'labeled': 2, 'unlabeled': 2}) != take(
        3, {'labeled': 2, 'unlabeled': 2}, seed=1
    )


def test_mix_seed_separates_its_parts():
    assert mix_seed(1, 23) != mix_seed(12, 3)
    assert all(0 <= mix_seed('x', i) < 2**32 for i in range(100))


def test_description_depends_on_the_global_batch_only(monkeypatch):
    alone = RatioSampler(STREAMS, {'labeled': 2, 'unlabeled': 4}, 0).describe()
    monkeypatch.setattr(sampler_module, 'get_dist_info', lambda: (1, 2))
    assert RatioSampler(STREAMS, {'labeled': 1, 'unlabeled': 2}, 0).describe() == alone


def test_errors_name_the_streams():
    with pytest.raises(ValueError, match=r"\['labeled'\], the data set has"):
        RatioSampler(STREAMS, {'labeled': 2}, 0)
    with pytest.raises(ValueError, match='positive sum'):
        RatioSampler(STREAMS, {'labeled': 0, 'unlabeled': 0}, 0)


@pytest.mark.parametrize('batch_size', [4, 6])
def test_a_loader_with_another_batch_size_is_refused_before_training(batch_size):
    sampler = RatioSampler(STREAMS, {'labeled': 2, 'unlabeled': 3}, 0)
    loader = DataLoader([0], batch_size=batch_size, sampler=sampler)
    loop = TrainLoop(SimpleNamespace(visualizer=None), loader, max_iters=1)
    expected = (
        rf"batch_size is {batch_size}, sampler.batch {{'labeled': 2, 'unlabeled': 3}} sums to 5"
    )
    with pytest.raises(ValueError, match=expected):
        loop.run()
