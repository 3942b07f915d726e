"""What our checkpoints hold, and the way from there back into a method."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.logging import print_log
from torch import Tensor
from torch.utils.data import DataLoader

from dts.checkpoints.find import RESUME_KEYS
from dts.checkpoints.match import match_tensors
from dts.methods.base import TeacherStudent

SCHEMA_VERSION = 1
STUDENT = 'student'
_PREFIX = f'{STUDENT}.'


def pack_model(checkpoint: dict[str, Any], method: TeacherStudent, product: str) -> None:
    """Make ``state_dict`` the product alone, as a stock MMSeg segmentor names its tensors.

    Args:
        checkpoint: what MMEngine is about to write; ``state_dict`` holds the method. Changed in
            place.
        method: the method that is trained.
        product: name of a student or a teacher.
    """
    tensors = checkpoint['state_dict']
    checkpoint['state_dict'] = part_of(tensors, product if product in method.students else STUDENT)
    if product not in method.students:
        state = OrderedDict(method.teachers.state_dict()['teachers'][product]['state_dict'])
        state._metadata = checkpoint['state_dict']._metadata  # type: ignore[attr-defined]
        checkpoint['state_dict'] = state
    checkpoint['dts'] = {'version': SCHEMA_VERSION, 'product': product}


def pack_run(
    checkpoint: dict[str, Any],
    method: TeacherStudent,
    product: str,
    streams: Mapping[str, Any] | None,
) -> None:
    """Do what ``pack_model`` does and add all that resuming needs.

    Args:
        checkpoint: as in ``pack_model``; what other hooks noted under ``dts`` is kept.
        method: the method that is trained.
        product: name of a student or a teacher.
        streams: description of the sampler, None if it gives none.
    """
    tensors = checkpoint['state_dict']
    noted = checkpoint.get('dts', {})
    pack_model(checkpoint, method, product)
    ours = checkpoint['dts'] = noted | checkpoint['dts']
    ours['method'] = {n: t for n, t in tensors.items() if not n.startswith(_PREFIX)}
    ours['student'] = None if product == STUDENT else part_of(tensors, STUDENT)
    ours['students'] = list(method.students)
    ours['teachers'] = method.teachers.state_dict() if method.has_teachers else None
    ours['streams'] = streams


def unpack_weights(
    checkpoint: dict[str, Any],
    method: TeacherStudent,
    source: str,
    allow_missing: Sequence[str],
) -> None:
    """Put the product of a file, or a stock MMSeg checkpoint, where the student is loaded from.

    Args:
        checkpoint: what was read, with a ``state_dict`` or one itself; ``module.`` in front of the
            names is dropped. Changed in place: ``state_dict`` then fits the method.
        method: the method that is about to load it.
        source: name of the file in errors.
        allow_missing: see ``match_tensors``.

    Raises:
        ValueError: if the tensors do not fit, or the file is of a newer version.
    """
    check_version(checkpoint, source)
    raw = checkpoint.get('state_dict', checkpoint)
    file = OrderedDict((name.removeprefix('module.'), tensor) for name, tensor in raw.items())
    own = method.state_dict()
    student = part_of(own, STUDENT)
    taken = match_tensors(file, student, source=source, allow_missing=allow_missing)
    initial = [name for name in student if name not in taken]
    if initial:
        text = f'Not taken from {source}, they keep their initial values: {", ".join(initial)}'
        print_log(text, logger='current', level=logging.WARNING)
    if 'state_dict' not in checkpoint:
        checkpoint.clear()
    checkpoint['state_dict'] = _method_state(own, taken, getattr(raw, '_metadata', None))


def unpack_run(checkpoint: dict[str, Any], method: TeacherStudent, source: str) -> None:
    """Put student and method of a file that we wrote where a resumed run loads them from.

    Args:
        checkpoint: what was read. Changed in place: ``state_dict`` then fits the method.
        method: the method that is about to load it.
        source: name of the file in errors.

    Raises:
        ValueError: if the file cannot be resumed from, or does not fit the config.
    """
    missing = [key for key in RESUME_KEYS if key not in checkpoint]
    if missing or 'method' not in checkpoint['dts']:
        lacks = ', '.join(missing) or 'the state of the run'
        raise ValueError(
            f'cannot resume from {source}, it lacks: {lacks}. Resume from an iter_*.pth file of '
            'dts.CheckpointHook; best_*, published and stock files hold one model: start a new run '
            'from them with --cfg-options load_from=FILE'
        )
    check_version(checkpoint, source)
    ours = checkpoint['dts']
    student = checkpoint['state_dict'] if ours['student'] is None else ours['student']
    own = method.state_dict()
    taken = match_tensors(student, part_of(own, STUDENT), source=source)
    extra = {name: tensor for name, tensor in own.items() if not name.startswith(_PREFIX)}
    state = _method_state(own, taken, getattr(student, '_metadata', None))
    state.update(match_tensors(ours['method'], extra, source=source))
    checkpoint['state_dict'] = state


def check_version(checkpoint: Mapping[str, Any], source: str) -> None:
    """Refuse files of a later layout.

    Args:
        checkpoint: what was read.
        source: name of the file in the error.

    Raises:
        ValueError: if the file is newer than this package.
    """
    version = checkpoint.get('dts', {}).get('version', SCHEMA_VERSION)
    if version != SCHEMA_VERSION:
        raise ValueError(
            f'{source} has layout {version}, this package reads layout {SCHEMA_VERSION}: update dts'
        )


def describe_streams(dataloader: DataLoader[Any]) -> dict[str, Any] | None:
    """Return what decides the batches of a run.

    Args:
        dataloader: the loader of the training set.

    Returns:
        What its sampler says of itself; None for a stock sampler, which says nothing.
    """
    describe = getattr(dataloader.sampler, 'describe', None)
    return describe() if describe else None


def check_streams(saved: Mapping[str, Any] | None, current: Mapping[str, Any] | None) -> None:
    """Refuse to go on with other batches than the run was started with.

    Args:
        saved: description of the sampler in the file.
        current: description of the sampler of this run.

    Raises:
        ValueError: if they differ; names what does.
    """
    saved, current = dict(saved or {}), dict(current or {})
    differing = [
        f'{key}: {saved.get(key)} in the file, {current.get(key)} in the config'
        for key in sorted(saved.keys() | current.keys())
        if saved.get(key) != current.get(key)
    ]
    if differing:
        raise ValueError(
            'cannot resume, the batches would not be those of the run: '
            f'{"; ".join(differing)}. Set sampler.batch (per process), data lists and seed as they '
            'were, or start a new run from the weights with --cfg-options load_from=FILE'
        )


def part_of(state: Mapping[str, Tensor], network: str) -> OrderedDict[str, Tensor]:
    """Return the tensors of one student of a method, by plain names, with their version data.

    Args:
        state: tensors of a method.
        network: name of the student.
    """
    prefix = f'{network}.'
    part = OrderedDict(
        (name.removeprefix(prefix), tensor)
        for name, tensor in state.items()
        if name.startswith(prefix)
    )
    metadata = getattr(state, '_metadata', {})
    part._metadata = OrderedDict(  # type: ignore[attr-defined]
        (f'{name}.'.removeprefix(prefix).removesuffix('.'), version)
        for name, version in metadata.items()
        if f'{name}.'.startswith(prefix)
    )
    return part


def _method_state(
    own: Mapping[str, Tensor], student: Mapping[str, Tensor], metadata: Mapping[str, Any] | None
) -> OrderedDict[str, Tensor]:
    """Return a complete state of the method: its own tensors, the student's replaced.

    Complete, because MMEngine loads leniently and would warn of every name that is not there.
    """
    state = OrderedDict(own)
    state.update({f'{_PREFIX}{name}': tensor for name, tensor in student.items()})
    state._metadata = OrderedDict(  # type: ignore[attr-defined]
        (f'{_PREFIX}{name}'.removesuffix('.'), version)
        for name, version in (metadata or {}).items()
    )
    return state
