"""Which networks of a model can be evaluated, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import cast

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from dts.evaluation.checkpoint_models import CheckpointModels
from dts.label_assisted.views import input_views
from dts.methods.base import TeacherStudent
from dts.models.mean_segmentor import MEAN, MeanSegmentor


def available_models(model: nn.Module) -> dict[str, nn.Module]:
    """Return the networks that an evaluation can ask for.

    Args:
        model: model of a runner, with or without its DDP wrapper.

    Returns:
        Name -> segmentor with ``val_step`` and ``test_step``. A method has its students,
        ``mean`` of several, and its teachers; ``CheckpointModels`` what it loaded; a stock
        segmentor is ``student``.
    """
    bare = cast('nn.Module', model.module) if is_model_wrapper(model) else model
    if isinstance(bare, CheckpointModels):
        return dict(bare.networks)
    if not isinstance(bare, TeacherStudent):
        return {'student': bare}
    networks = bare.students
    if len(networks) > 1:
        networks[MEAN] = MeanSegmentor(list(networks.values()))
    if bare.has_teachers:
        bank = bare.teachers
        networks |= {name: bank[name].segmentor for name in bank.names}
    return {
        view: network
        for name, segmentor in networks.items()
        for view, network in input_views(name, segmentor).items()
    }


def select_models(model: nn.Module, names: Sequence[str]) -> dict[str, nn.Module]:
    """Return the named networks, in the order asked for.

    Args:
        model: model of a runner.
        names: names of networks.

    Returns:
        Name -> segmentor.

    Raises:
        ValueError: if there is no such network.
    """
    networks = available_models(model)
    unknown = [name for name in names if name not in networks]
    if unknown:
        raise ValueError(
            f'no network named {", ".join(map(repr, unknown))} to evaluate, available: '
            f'{", ".join(networks)}; set models=[...] in val_cfg and test_cfg, or add the teacher '
            'hook that makes it to custom_hooks'
        )
    return {name: networks[name] for name in names}


@contextmanager
def evaluation_mode(networks: Mapping[str, nn.Module]) -> Iterator[None]:
    """Put networks in eval mode and give every submodule its own mode back afterwards.

    Args:
        networks: name -> network.

    Yields:
        Nothing.
    """
    modes = [(module, module.training) for net in networks.values() for module in net.modules()]
    for network in networks.values():
        network.eval()
    try:
        yield
    finally:
        # Not train(True): parts that a config froze in eval mode must stay there.
        for module, is_training in modes:
            module.training = is_training


class CheckModelNames(Hook):
    """Refuse a wrong network name before the first step instead of at the first validation.

    Args:
        names: the networks that will be evaluated.
    """

    priority = 'LOWEST'  # after the hooks that build teachers

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)

    def before_train(self, runner: Runner) -> None:
        """Look the names up.

        Args:
            runner: the runner.

        Raises:
            ValueError: if there is no such network.
        """
        select_models(runner.model, self.names)
