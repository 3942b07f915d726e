"""The networks of one checkpoint file, for evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.model import BaseModel
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor, nn

from dts.checkpoints.contents import check_version, part_of
from dts.checkpoints.match import match_tensors
from dts.label_assisted.views import input_views
from dts.models.mean_segmentor import MEAN, MeanSegmentor
from dts.registry import MODELS
from dts.typing import ConfigType

States = dict[str, Mapping[str, Tensor]]


def checkpoint_states(file: str) -> States:
    """Return the weights of every network in a checkpoint.

    Args:
        file: a checkpoint of this package, a stock one of MMSegmentation, or a bare state dict.

    Returns:
        Name -> state dict with plain segmentor keys. The first one is the product, the network
        that stock tools load. A file without our key holds one network, called ``student``.

    Raises:
        ValueError: if the file was written by a newer version.
    """
    checkpoint = CheckpointLoader.load_checkpoint(file, map_location='cpu')
    check_version(checkpoint, file)
    product = checkpoint.get('state_dict', checkpoint)
    ours = checkpoint.get('dts')
    if ours is None:
        return {'student': product}
    states: States = {ours['product']: product}
    if ours.get('student') is not None:
        states['student'] = ours['student']
    for name in ours.get('students', []):
        if name not in states:
            states[name] = part_of(ours['method'], name)
    teachers = (ours.get('teachers') or {}).get('teachers', {})
    for name, teacher in teachers.items():
        states.setdefault(name, teacher['state_dict'])
    return states


@MODELS.register_module()
class CheckpointModels(BaseModel):
    """Holder of the networks of a checkpoint; ``ModelsTestLoop`` evaluates them.

    Args:
        segmentor: config of the segmentor that all of them are instances of.
        checkpoint: the file.
        models: names to evaluate; None takes all that the file holds. A file with several students
            has ``mean`` too, the mean of their logits; a label-assisted network has two names, see
            ``dts.label_assisted.views.input_views``.
        tta: config of a test-time augmentation model such as ``SegTTAModel`` that wraps each
            network; None predicts once per image.

    Raises:
        ValueError: if the file has no such network, or its tensors do not fit the segmentor.
    """

    def __init__(
        self,
        segmentor: ConfigType,
        checkpoint: str,
        models: Sequence[str] | None = None,
        tta: ConfigType | None = None,
    ) -> None:
        super().__init__()
        states = checkpoint_states(checkpoint)
        students = [name for name in states if name.partition('_')[0] == 'student']
        first = MODELS.build(segmentor)  # says under which names such a network is evaluated
        sources = {view: name for name in states for view in input_views(name, first)}
        if len(students) > 1:
            sources[MEAN] = MEAN
        unknown = [name for name in models or () if name not in sources]
        if unknown:
            raise ValueError(
                f'{checkpoint} holds no network named {", ".join(map(repr, unknown))}, it has: '
                f'{", ".join(sources)}; choose with --models'
            )
        self.names = list(models or sources)
        needed = {sources[name] for name in self.names}
        needed |= set(students) if MEAN in needed else set()
        segmentors: dict[str, nn.Module] = {}
        for name in (name for name in states if name in needed):
            segmentors[name] = MODELS.build(segmentor) if segmentors else first
            _load(segmentors[name], states[name], f'{name} of {checkpoint}')
        self._segmentors = nn.ModuleList(segmentors.values())
        if MEAN in needed:
            segmentors[MEAN] = MeanSegmentor([segmentors[name] for name in students])
        self.networks: dict[str, nn.Module] = {}
        for view in self.names:
            shown = input_views(sources[view], segmentors[sources[view]])[view]
            self.networks[view] = MODELS.build({**tta, 'module': shown}) if tta else shown

    def forward(self, inputs: Any, data_samples: Any = None, mode: str = 'tensor') -> Any:
        """Refuse: each network is asked by itself.

        Args:
            inputs: not used.
            data_samples: not used.
            mode: not used.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("evaluate with test_cfg=dict(type='dts.ModelsTestLoop')")


def _load(network: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Load weights, all of them or none."""
    own = network.state_dict()
    plain = {key.removeprefix('module.'): tensor for key, tensor in state.items()}
    network.load_state_dict(own | match_tensors(plain, own, source=source))
