"""Put a trained model into the package: publish it, score the file, enter both into the zoo.

    python tools/model_converters/ship.py CONFIG CHECKPOINT --name NAME --license LICENSE
        --summary '...' --command '...' [--model teacher]

Writes NAME-<hash>.safetensors and its card with the scores of tools/test.py to dts/zoo/weights, and
the entry to dts/zoo/index.yml. A model of the same name is replaced. A file that would make the
package too large is refused before it is scored.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import publish
import yaml

import dts  # noqa: F401 - before anything imports mmseg
from dts.checkpoints.atomic import write_atomically
from dts.launch import check_file, user_errors
from dts.zoo import index, store
from dts.zoo.weights import SAFETENSORS

ROOT = Path(__file__).resolve().parents[2]
MAX_FILE, MAX_ALL = 8_000_000, 16_000_000  # bytes, of what everybody downloads with the package


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Put a trained model into the package.')
    publish.add_arguments(parser)
    parser.add_argument('--summary', required=True, help='method, data and classes, in a line')
    parser.add_argument('--command', required=True, help='what trained it, for the card')
    return parser.parse_args(argv)


def published(
    args: argparse.Namespace, folder: Path, metrics: Path | None = None
) -> tuple[Path, dict[str, Any]]:
    """Write the file and its card; return the file and its entry."""
    more = {'out_dir': folder, 'full': False, 'metrics': metrics}
    return publish.publish(argparse.Namespace(**vars(args), **more))


def earlier_files(name: str) -> list[Path]:
    """Return the weights that the package holds under a name."""
    pattern = re.compile(rf'{re.escape(name)}-[0-9a-f]{{{publish.HASH_DIGITS}}}')
    files = store.SHIPPED.glob(f'*{SAFETENSORS}')
    return [file for file in files if pattern.fullmatch(file.stem)]


def check_room(file: Path, replaced: Sequence[Path]) -> None:
    """Check that the package stays small.

    Args:
        file: what is to be added.
        replaced: files of the package that it takes the place of.

    Raises:
        ValueError: if it is too large, or all files together would be.
    """
    size = file.stat().st_size
    if size >= MAX_FILE:
        raise ValueError(
            f'{file.name} has {size} bytes, expected fewer than {MAX_FILE}: take a smaller network'
        )
    kept = set(store.SHIPPED.glob(f'*{SAFETENSORS}')) - set(replaced)
    total = size + sum(other.stat().st_size for other in kept)
    if total >= MAX_ALL:
        raise ValueError(
            f'with {file.name} the package would hold {total} bytes of weights, expected fewer '
            f'than {MAX_ALL}: remove one of {", ".join(sorted(other.name for other in kept))}'
        )


def score(config: str, file: Path, folder: Path) -> Path:
    """Score a file by tools/test.py, which shows its progress; return its test.json.

    Raises:
        ValueError: if it fails; what it printed says why.
    """
    script = str(ROOT / 'tools/test.py')
    command = [sys.executable, script, config, str(file), '--work-dir', str(folder)]
    if subprocess.run(command, check=False).returncode:
        raise ValueError(f'nothing was shipped: {file.name} could not be scored, see above')
    return folder / 'test.json'


def main_score(scores: Mapping[str, float]) -> float:
    """Return the mIoU of the test set, not that of source images."""
    (score,) = [value for name, value in scores.items() if re.fullmatch(r'\w+/mIoU', name)]
    return score


def enter(entry: Mapping[str, Any], file: Path) -> None:
    """Write an entry into an index, in the place of one of the same name; keep all other lines.

    Args:
        entry: of a model.
        file: the index.
    """
    block = yaml.safe_dump([dict(entry)], sort_keys=False, width=1000, allow_unicode=True)
    # An entry ends where the next one or a comment begins.
    own = re.compile(rf'^- name: {re.escape(entry["name"])}\n(?:(?![-#]).*\n)*', re.MULTILINE)
    text = file.read_text(encoding='utf-8')
    text = own.sub(lambda _: block, text) if own.search(text) else text + block
    write_atomically(file, text.encode())


def main(argv: Sequence[str] | None = None) -> None:
    """Publish, score, publish with the scores, enter."""
    args = parse_args(argv)
    check_file(args.checkpoint, 'checkpoint')
    if Path(args.config).is_absolute() or not (ROOT / args.config).is_file():
        raise ValueError(f'{args.config}: name a config of the repository, as configs/uda/NAME.py')
    earlier = earlier_files(args.name)
    with tempfile.TemporaryDirectory() as folder:
        draft, _ = published(args, Path(folder))
        check_room(draft, earlier)
        metrics = score(args.config, draft, Path(folder, 'test'))
        file, entry = published(args, store.SHIPPED, metrics)
        miou = main_score(json.loads(metrics.read_text()))
    entry['summary'] = f'{args.summary}, mIoU {miou:.1f} ({entry["summary"].partition(" of ")[0]})'
    enter(entry, index.INDEX_FILE)
    for path in {*earlier} - {file}:
        path.unlink()
        path.with_suffix('.md').unlink(missing_ok=True)
    print(f'{file}, {file.with_suffix(".md")}, {index.INDEX_FILE}: mIoU {miou:.2f}')


if __name__ == '__main__':
    with user_errors():
        main()
