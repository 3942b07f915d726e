"""bfloat16 autocast on the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.registry import OPTIM_WRAPPERS
from torch import nn

from dts.amp import CpuAmpOptimWrapper


def test_forward_is_bfloat16_and_the_update_float32() -> None:
    model = nn.Linear(2, 1, bias=False)
    model.weight.data.copy_(torch.tensor([[1.0, 2.0]]))
    wrapper = OPTIM_WRAPPERS.build(
        {
            'type': 'dts.CpuAmpOptimWrapper',
            'optimizer': torch.optim.SGD(model.parameters(), lr=2.0**-12),
            'accumulative_counts': 2,
        }
    )
    assert isinstance(wrapper, CpuAmpOptimWrapper)
    wrapper.initialize_count_status(model, 0, 4)
    inputs = torch.tensor([[1.0 + 2.0**-9, 1.0]])  # rounds to 1 in bfloat16
    for is_updated in (False, True):
        with wrapper.optim_context(model):
            output = model(inputs)
        assert output.dtype == torch.bfloat16
        assert output.item() == 3.0
        wrapper.update_params(output.float().sum())
        assert torch.equal(model.weight, torch.tensor([[1.0, 2.0]])) != is_updated
    # The gradient is (1, 1); bfloat16 weights could not hold 1 - 2^-12.
    torch.testing.assert_close(model.weight.data, torch.tensor([[1.0, 2.0]]) - 2.0**-12)
    assert not torch.is_autocast_enabled('cpu')


def test_gradients_are_exchanged_in_the_last_accumulation_step_only() -> None:
    class Wrapped(nn.Linear):
        """Stands for DDP: counts forwards whose gradients stay on the process."""

        num_local = 0

        @contextmanager
        def no_sync(self) -> Iterator[None]:
            self.num_local += 1
            yield

    model = Wrapped(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    wrapper = CpuAmpOptimWrapper(optimizer=optimizer, accumulative_counts=3)
    wrapper.initialize_count_status(model, 0, 6)
    for _ in range(6):
        with wrapper.optim_context(model):
            loss = model(torch.ones(1, 2)).sum()
        wrapper.update_params(loss)
    assert model.num_local == 4
