"""Optimizer groups that are few enough for fused updates."""

from __future__ import annotations

from typing import Any

from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn

from dts.registry import OPTIM_WRAPPER_CONSTRUCTORS


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class MergingOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """MMEngine's constructor, with parameters of equal settings in one group.

    With any ``paramwise_cfg`` MMEngine makes one group per parameter. Optimizers update group by
    group, so that a backbone of 200 tensors costs 200 launches in place of one.

    Arguments and effect on every parameter are those of ``DefaultOptimWrapperConstructor``.
    """

    def add_params(
        self,
        params: list[dict[str, Any]],
        module: nn.Module,
        prefix: str = '',
        is_dcn_module: int | float | None = None,
    ) -> None:
        """Add the groups of a module; the outermost call merges them.

        Args:
            params: groups of the optimizer, extended in place.
            module: the module whose parameters are added, with its children.
            prefix: its name, empty for the whole model.
            is_dcn_module: as in the base class.
        """
        super().add_params(params, module, prefix, is_dcn_module)
        if not prefix:
            params[:] = merge_groups(params)


def merge_groups(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join groups whose settings are equal, in the order of their first parameters.

    Args:
        groups: groups of an optimizer, ``params`` and settings.

    Returns:
        New groups; every parameter is in one with the settings that it had.
    """
    merged: dict[str, dict[str, Any]] = {}
    for group in groups:
        settings = {name: value for name, value in group.items() if name != 'params'}
        first = merged.setdefault(repr(sorted(settings.items())), {**settings, 'params': []})
        parameters = group['params']
        first['params'] += [parameters] if isinstance(parameters, nn.Parameter) else parameters
    return list(merged.values())
