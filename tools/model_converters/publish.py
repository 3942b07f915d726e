"""Make a file to publish out of a checkpoint: one network, tensors only, its hash in its name.

    python tools/model_converters/publish.py CONFIG CHECKPOINT --name NAME --license LICENSE
        [--model student] [--out-dir D] [--metrics test.json] [--command '...']

Writes NAME-<first 8 digits of SHA-256>.safetensors and a model card beside it, and prints the entry
for dts/zoo/index.yml. Kernels and matrices are kept in half precision, vectors (norm statistics,
biases) in full. tools/test.py takes the file as it takes a checkpoint; the same input gives the
same file, so that its scores can be put into the card by a second call. ship.py does both for a
model that is to come with the package.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from extract import add_model_argument
from safetensors.torch import save
from torch import Tensor

from dts.checkpoints.atomic import write_atomically
from dts.evaluation.run_network import read_network
from dts.launch import check_file, user_errors
from dts.zoo.weights import METADATA_KEY, SAFETENSORS

HASH_DIGITS = 8


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Make a file to publish out of a checkpoint.')
    add_arguments(parser)
    parser.add_argument('--out-dir', type=Path, default=Path('work_dirs/published'))
    parser.add_argument('--full', action='store_true', help='keep everything in full precision')
    parser.add_argument('--metrics', help='test.json that tools/test.py wrote for this file')
    parser.add_argument('--command', help='what trained it, for the card')
    return parser.parse_args(argv)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what every published file needs, also for ship.py.

    Args:
        parser: changed in place.
    """
    parser.add_argument('config', help='config that the run was trained with')
    parser.add_argument('checkpoint', help='checkpoint of the run')
    parser.add_argument('--name', required=True, help='name in the zoo: letters, digits, - and _')
    parser.add_argument('--license', required=True, help='license of the weights')
    add_model_argument(parser)


def compact(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return kernels and matrices in half precision, all else as it is.

    Args:
        state: tensors by name.

    Raises:
        ValueError: if a value is beyond the range of half precision (65504).
    """
    small = {}
    for name, tensor in state.items():
        is_kernel = tensor.is_floating_point() and tensor.ndim > 1
        small[name] = (tensor.half() if is_kernel else tensor).contiguous()
        if is_kernel and not torch.isfinite(small[name]).all():
            raise ValueError(f'{name} holds values that half precision cannot: publish with --full')
    return small


def model_card(facts: Mapping[str, Any], metrics: Mapping[str, float]) -> str:
    """Return the text of a card.

    Args:
        facts: lines of the first table; those that are None are left out.
        metrics: scores by name; no table if there is none.
    """
    lines = [f'# {facts["Name"]}', '', '| | |', '| --- | --- |']
    lines += [f'| {key} | {value} |' for key, value in facts.items() if value is not None]
    if metrics:
        lines += ['', 'Scores of this file by `tools/test.py`:', '', '| metric | value |']
        lines += ['| --- | --- |']
        lines += [f'| {name} | {value:.2f} |' for name, value in metrics.items()]
    lines += ['', '```python', 'import dts.zoo', '', f"model = dts.zoo.load('{facts['Name']}')"]
    return '\n'.join([*lines, '```', ''])


def index_entry(args: argparse.Namespace, file: Path, digest: str, summary: str) -> dict[str, Any]:
    """Return the entry for dts/zoo/index.yml; addresses are filled in by who publishes."""
    return {
        'name': args.name,
        'kind': 'model',
        'summary': summary,
        'license': args.license,
        'source': 'this project',
        'config': args.config,
        'files': [
            {
                'name': file.name,
                'urls': [],
                'size': file.stat().st_size,
                'sha256': digest,
                'sha256_prefix': None,
            }
        ],
    }


def publish(args: argparse.Namespace) -> tuple[Path, dict[str, Any]]:
    """Read, compact, write file and card.

    Args:
        args: as ``parse_args`` returns them.

    Returns:
        The file, and its entry for the index of the zoo.

    Raises:
        ValueError: if the name is none for a file, or half precision cannot hold the weights.
        FileNotFoundError: if the scores are not there.
    """
    if not re.fullmatch(r'[\w-]+', args.name):
        raise ValueError(f'--name {args.name!r}: only letters, digits, - and _')
    metrics = {}
    if args.metrics:
        check_file(args.metrics, 'metrics')
        metrics = json.loads(Path(args.metrics).read_text())
    segmentor, cfg, classes, name = read_network(args.config, args.checkpoint, args.model)
    state = segmentor.state_dict()
    tensors = {n: t.contiguous() for n, t in state.items()} if args.full else compact(state)
    notes = {'dataset_meta': classes} if classes else {}
    content = save(tensors, metadata={METADATA_KEY: json.dumps(notes)})
    digest = hashlib.sha256(content).hexdigest()
    file = args.out_dir / f'{args.name}-{digest[:HASH_DIGITS]}{SAFETENSORS}'
    write_atomically(file, content)

    num_parameters = sum(parameter.numel() for parameter in segmentor.parameters())
    facts = {
        'Name': args.name,
        'File': file.name,
        'Network': f'{name} of the run',
        'Config': args.config,
        'Backbone, head': f'{cfg.model.backbone.type}, {cfg.model.decode_head.type}',
        'Parameters': f'{num_parameters / 1e6:.2f} M',
        'Classes': ', '.join(classes.get('classes', [])) or None,
        'Precision': 'full' if args.full else 'half; vectors full',
        'Bytes': len(content),
        'SHA-256': digest,
        'License': args.license,
        'Trained by': args.command and f'`{args.command}`',
    }
    write_atomically(file.with_suffix('.md'), model_card(facts, metrics).encode())
    return file, index_entry(args, file, digest, f'{name} of {Path(args.config).stem}')


def main(argv: Sequence[str] | None = None) -> None:
    """Publish, and print the entry."""
    file, entry = publish(parse_args(argv))
    print(f'# {file}\n# {file.with_suffix(".md")}\n# for dts/zoo/index.yml:')
    print(yaml.safe_dump([entry], sort_keys=False, width=200), end='')


if __name__ == '__main__':
    with user_errors():
        main()
