"""Ranges of settings, refused when a method or loss is built."""

from __future__ import annotations


def check_shares(**shares: float) -> None:
    """Refuse probabilities and shares that are out of range.

    Args:
        **shares: values by the name of the argument.

    Raises:
        ValueError: if one is not in [0, 1].
    """
    for name, value in shares.items():
        if not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
            raise ValueError(f'{name} must be in [0, 1], got {value!r}')


def check_not_negative(**values: float) -> None:
    """Refuse weights and lengths that are out of range.

    Args:
        **values: values by the name of the argument.

    Raises:
        ValueError: if one is no number >= 0.
    """
    for name, value in values.items():
        if not isinstance(value, int | float) or not value >= 0:
            raise ValueError(f'{name} must be a number >= 0, got {value!r}')
