"""Make the toy city ahead of its first use (data/toy_city.md)."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import dts  # noqa: F401 - shims must run before anything imports mmseg
from dts.datasets.toy_city_files import ToyCitySettings, make_toy_city
from dts.launch import user_errors


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Render the toy city: street scenes in two looks, with labels.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument('--out', type=Path, default=Path('data/toy_city'), help='folder to make')
    for field in fields(ToyCitySettings):
        option = f'--{field.name.replace("_", "-")}'
        parser.add_argument(option, type=int, default=field.default, help='as in ToyCitySettings')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Make the images unless they are there."""
    args = vars(parse_args(argv))
    out = args.pop('out')
    make_toy_city(out, ToyCitySettings(**args))
    print(f'{out} holds the toy city')


if __name__ == '__main__':
    with user_errors():
        main()
