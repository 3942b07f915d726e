"""What the command line tools share: reading a config, starting processes, errors in one line."""

from __future__ import annotations

import argparse
import os
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from mmengine.config import Config, DictAction
from mmengine.logging import print_log

from dts import compat
from dts.config import load_config
from dts.protocols.configs import check_config

USER_ERROR_EXIT_CODE = 2


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that training and testing share, named as in OpenMMLab.

    Args:
        parser: changed in place.
    """
    parser.add_argument('--work-dir', help='folder for logs, checkpoints and results')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        default={},
        metavar='KEY=VALUE',
        help='change entries of the config, for example train_cfg.max_iters=100',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='job launcher',
    )
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)


def read_config(args: argparse.Namespace) -> Config:
    """Read the config file and apply the options of ``add_common_arguments``.

    Args:
        args: parsed arguments with ``config`` and the common options.

    Returns:
        The config; ``work_dir`` is the option, else the file's, else ``work_dirs/<config stem>``.

    Raises:
        FileNotFoundError: if there is no such config.
        ValueError: if it names a protocol and does not follow it.
    """
    check_file(args.config, 'config')
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg = load_config(args.config)
    cfg.merge_from_dict(args.cfg_options)
    cfg.launcher = args.launcher
    default = cfg.get('work_dir') or str(Path('work_dirs', Path(args.config).stem))
    cfg.work_dir = args.work_dir or default
    check_config(cfg)
    return cfg


def check_file(file: str, what: str) -> None:
    """Raise FileNotFoundError unless ``file`` is a file.

    Args:
        file: path to look up.
        what: what the file is, for the message.
    """
    if not Path(file).is_file():
        raise FileNotFoundError(f'no {what} at {file} (looked from {Path.cwd()}): check the path')


def start_cpu_processes(cfg: Config) -> None:
    """Let MMEngine's Runner work over several processes without a GPU; otherwise do nothing.

    It would set a CUDA device and pass device ids to DDP. SyncBN has no CPU form: layers named so
    in the config become BN, as the Runner itself does for one process.

    Args:
        cfg: changed in place.
    """
    if cfg.launcher == 'none' or torch.cuda.is_available():
        return
    compat.init_cpu_process_group(cfg.launcher)
    cfg.model_wrapper_cfg = {
        'type': (cfg.get('model_wrapper_cfg') or {}).get('type', 'MMDistributedDataParallel'),
        'device_ids': None,
        'broadcast_buffers': False,
        'find_unused_parameters': cfg.get('find_unused_parameters', False),
    }
    if revert_sync_bn(cfg.model):
        print_log('SyncBN needs GPUs: BN is used, each process has its own statistics', 'current')


def end_processes() -> None:
    """Wait for all processes and close their group; without a group do nothing.

    A process that ends while another still uses its sockets can take that one down.
    """
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


def revert_sync_bn(node: Any) -> int:
    """Replace ``type='SyncBN'`` by ``type='BN'`` everywhere below a config node.

    Args:
        node: a config, list or value, changed in place.

    Returns:
        Number of replacements.
    """
    if isinstance(node, dict):
        is_sync = node.get('type') == 'SyncBN'
        if is_sync:
            node['type'] = 'BN'
        return is_sync + sum(revert_sync_bn(value) for value in node.values())
    if isinstance(node, list | tuple):
        return sum(revert_sync_bn(value) for value in node)
    return 0


@contextmanager
def user_errors() -> Iterator[None]:
    """End the program with one line and exit code 2 when this package refuses its input.

    Only ValueError and OSError (no such file, disk full) that our code raised are treated so, also
    those that come out of a data loader's worker. ``DTS_TRACEBACK=1`` shows the traceback all the
    same.

    Yields:
        Nothing.
    """
    try:
        yield
    except (ValueError, OSError) as error:
        message = _own_message(error)
        if message is None or os.environ.get('DTS_TRACEBACK') == '1':
            raise
        sys.stderr.write(f'error: {message}\n(DTS_TRACEBACK=1 shows where it was raised)\n')
        raise SystemExit(USER_ERROR_EXIT_CODE) from None


def _own_message(error: Exception) -> str | None:
    """Return the message of an error that our code raised, None for others."""
    text = str(error)
    # A worker's error arrives as text with the traceback inside.
    frames = re.findall(r'^\s*File "([^"]+)", line', text, flags=re.MULTILINE)
    if not frames:
        frames = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    own_folders = [Path(__file__).resolve().parent]
    if Path(sys.argv[0]).is_file():  # the tool that runs, not `python -c`
        own_folders.append(Path(sys.argv[0]).resolve().parent)
    if not any(folder in Path(frames[-1]).resolve().parents for folder in own_folders):
        return None
    return text.rpartition(f'\n{type(error).__name__}: ')[2].strip()
