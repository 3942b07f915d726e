"""Putting a report together and writing it."""

from __future__ import annotations

import datetime
import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path

from dts.version import __version__

PACKAGES = ('plotly', 'jinja2')
DEFAULT_IMAGES = 24


def check_packages() -> None:
    """Refuse to go on without the packages that draw.

    Raises:
        ValueError: if one is missing.
    """
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(
            f'a report needs the package {" and ".join(missing)}: pip install plotly jinja2'
        )


def write_report(
    work_dirs: Sequence[Path],
    out: Path,
    *,
    names: Sequence[str] | None = None,
    checkpoints: Sequence[Path] | None = None,
    num_images: int = DEFAULT_IMAGES,
) -> None:
    """Write one HTML file about runs.

    Args:
        work_dirs: folders of the runs.
        out: the file; its folder is made.
        names: names of the runs; None makes them from the folders.
        checkpoints: file per run for what needs networks; None takes the last one of each.
        num_images: test images that the networks predict; 0 runs no network.

    Raises:
        ValueError: if packages are missing, or the lists do not match.
        FileNotFoundError: if a folder holds no run.
    """
    check_packages()
    # Here and not above: the hook that writes reports is imported where plotly is not installed.
    from dts.report.page import render_page  # noqa: PLC0415
    from dts.report.run import read_runs  # noqa: PLC0415

    for what, given in (('names', names), ('checkpoints', checkpoints)):
        if given and len(given) != len(work_dirs):
            raise ValueError(f'{len(given)} {what} for {len(work_dirs)} runs: give one for each')
    runs = read_runs(work_dirs, names)
    now = datetime.datetime.now().astimezone().strftime('%Y-%m-%d %H:%M %Z')
    html = render_page(runs, checkpoints, num_images, made=f'dts {__version__}, {now}')
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f'{out.name}.tmp')
    temporary.write_text(html, encoding='utf-8')
    os.replace(temporary, out)
