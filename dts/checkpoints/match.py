"""Comparison of the tensors in a file with those of a network: a partial load is an error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatch

from torch import Tensor

_NUM_SHOWN = 3


def match_tensors(
    file: Mapping[str, Tensor],
    network: Mapping[str, Tensor],
    *,
    source: str,
    allow_missing: Sequence[str] = (),
) -> dict[str, Tensor]:
    """Return the tensors of the file that the network takes.

    ``num_batches_tracked`` may be missing: old files lack it, and networks in eval mode ignore it.

    Args:
        file: tensors of the checkpoint, by plain names.
        network: tensors of the network, by the same names.
        source: name of the file in the error.
        allow_missing: patterns (``fnmatch``) of names that may be on one side only or differ in
            shape; the network then keeps its own tensor.

    Returns:
        Tensors of the file by name; none of another shape than the network's.

    Raises:
        ValueError: if names or shapes differ elsewhere; counts them, names the first, and says so
            when the class counts differ.
    """

    def kept(names: list[str]) -> list[str]:
        return [name for name in names if not any(fnmatch(name, p) for p in allow_missing)]

    missing = kept([n for n in network if n not in file and not n.endswith('num_batches_tracked')])
    unexpected = kept([n for n in file if n not in network])
    shared = [n for n in network if n in file]
    other_shape = [n for n in shared if file[n].shape != network[n].shape]
    misshaped = kept(other_shape)
    if missing or unexpected or misshaped:
        shapes = [f'{n} {tuple(file[n].shape)} vs {tuple(network[n].shape)}' for n in misshaped]
        raise ValueError(
            f'{source} does not fit the network of the config:'
            + _class_counts(misshaped, file, network)
            + _listed(missing, 'missing in the file')
            + _listed(unexpected, 'unknown to the network')
            + _listed(shapes, 'of another shape (file vs config)')
            + '. Use the config that the file was made with; or, to start new parts from scratch, '
            "name them: default_hooks.checkpoint.allow_missing=['decode_head.conv_seg.*']"
        )
    return {n: file[n] for n in shared if n not in other_shape}


def _class_counts(
    names: list[str], file: Mapping[str, Tensor], network: Mapping[str, Tensor]
) -> str:
    """Say so when the last layers (MMSeg: ``conv_seg``) differ in the number of outputs alone."""
    shapes = [(file[n].shape, network[n].shape) for n in names if 'conv_seg' in n.split('.')]
    counts = {(f[0], n[0]) for f, n in shapes if f[1:] == n[1:]}
    if len(counts) != 1:
        return ''
    ((in_file, in_config),) = counts
    return f' {in_file} classes in the file, {in_config} in the config;'


def _listed(names: list[str], what: str) -> str:
    """Return count and first names."""
    if not names:
        return ''
    rest = f' and {len(names) - _NUM_SHOWN} more' if len(names) > _NUM_SHOWN else ''
    return f' {len(names)} {what}: {", ".join(names[:_NUM_SHOWN])}{rest};'
