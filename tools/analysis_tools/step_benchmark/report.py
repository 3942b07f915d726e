"""From the costs of the pairs to numbers and text. Pure functions."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from step_benchmark.clock import Cost


def quartiles(values: Sequence[float]) -> list[float]:
    """Return the three quartiles, the middle one is the median; needs two values."""
    return statistics.quantiles(values, n=4, method='inclusive')


def summarize_pairs(pairs: Sequence[tuple[Cost, Cost]], kind: str) -> dict[str, Any]:
    """Return what the pairs say.

    Args:
        pairs: costs of the method's step (a) and of the floor's (b), measured one after the other.
        kind: ``cpu`` or ``wall``.

    Returns:
        ``a`` and ``b``: quartiles in seconds; ``ratio``: median of a / median of b;
        ``pair_ratio``: quartiles of a/b within a pair; ``mean_ratio``: sum of a / sum of b, in
        which rare expensive steps (logging, saving) have their share.
    """
    method = [getattr(pair[0], kind) for pair in pairs]
    floor = [getattr(pair[1], kind) for pair in pairs]
    return {
        'a': quartiles(method),
        'b': quartiles(floor),
        'ratio': statistics.median(method) / statistics.median(floor),
        'pair_ratio': quartiles([a / b for a, b in zip(method, floor, strict=True)]),
        'mean_ratio': sum(method) / sum(floor),
    }


def format_report(result: dict[str, Any]) -> str:
    """Return the report that is printed.

    Args:
        result: what ``--json`` writes.

    Returns:
        Lines of text.
    """
    lines = [
        f'{result["method"]} on {result["device"]}, {result["threads"]} thread(s), '
        f'{result["images_per_step"]} images per step, {result["steps"]} pairs'
    ]
    for kind, name in (('cpu', 'CPU time'), ('wall', 'wall clock')):
        times = result[kind]
        low, middle, high = times['pair_ratio']
        lines += [
            f'{name}:',
            f'  a, step through the Runner  {_milliseconds(times["a"])}',
            f'  b, floor in bare PyTorch    {_milliseconds(times["b"])}',
            f'  a/b {times["ratio"]:.3f} of medians; within pairs {middle:.3f} '
            f'({low:.3f} to {high:.3f}); of sums {times["mean_ratio"]:.3f}',
        ]
    for name, memory in result['peak_memory_mib'].items():
        text = 'unknown' if memory is None else f'{memory:.0f} MiB'
        lines.append(f'memory that a step takes, {name}: {text}')
    ema = result['ema']
    lines += [
        f'images/s: {result["images_per_step"] / result["wall"]["a"][1]:.1f}',
        f'loader: {result["loader"]["images_per_cpu_second"]:.0f} images/s/core',
        f'waiting for data: {100 * result["waiting_share"]:.1f} % of the time',
        f'optimizer groups: {result["optimizer_groups"]}',
    ]
    if ema is not None:
        lines.append(
            f'EMA: {1000 * ema["seconds"]:.2f} ms, {ema["bytes_per_second"] / 1e9:.1f} GB/s = '
            f'{100 * ema["share"]:.0f} % of a plain copy '
            f'({ema["copy_bytes_per_second"] / 1e9:.1f} GB/s)'
        )
    return '\n'.join(lines)


def _milliseconds(values: Sequence[float]) -> str:
    """Write quartiles."""
    low, middle, high = (1000 * value for value in values)
    return f'{middle:8.1f} ms (quartiles {low:.1f} to {high:.1f})'
