"""Write one HTML file about one or several runs.

    python tools/analysis_tools/report.py WORK_DIR [WORK_DIR ...]

The file holds curves, scores over seeds, class-wise IoU, pseudo-label statistics, confusion
matrices, pictures, config differences and cost. It needs no network and no other file.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import dts  # noqa: F401 - before anything imports mmseg
from dts.launch import check_file, user_errors
from dts.report.write import DEFAULT_IMAGES, write_report


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('work_dirs', nargs='+', type=Path, metavar='WORK_DIR')
    parser.add_argument('--out', type=Path, help='default: report.html in the first WORK_DIR')
    parser.add_argument('--names', nargs='+', help='one per run; default: from the folders')
    parser.add_argument(
        '--checkpoint',
        nargs='+',
        type=Path,
        metavar='FILE',
        help='one per run, for confusion matrix and pictures; default: the newest of each run',
    )
    parser.add_argument(
        '--images',
        type=int,
        default=DEFAULT_IMAGES,
        metavar='N',
        help='test images that the networks predict; 0 runs no network (default: %(default)s)',
    )
    args = parser.parse_args(argv)
    if args.images < 0:
        parser.error(f'--images must be 0 or more, got {args.images}')
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Write the report and print its path."""
    args = parse_args(argv)
    with user_errors():
        for file in args.checkpoint or ():
            check_file(str(file), 'checkpoint')
        out = args.out or args.work_dirs[0] / 'report.html'
        write_report(
            args.work_dirs,
            out,
            names=args.names,
            checkpoints=args.checkpoint,
            num_images=args.images,
        )
    print(out)


if __name__ == '__main__':
    main()
