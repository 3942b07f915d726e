"""Every command that a document shows can be given: script, options, files and config keys exist.

Nothing is trained. Each tool's own parser reads the arguments; shell scripts run with stand-ins for
``python`` and ``srun`` that print what they were given, which the parser of that tool then reads.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import inspect
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from mmengine.config import Config, ConfigDict

from dts.config import load_config
from dts.registry import (
    DATA_SAMPLERS,
    DATASETS,
    HOOKS,
    LOOPS,
    MODELS,
    OPTIM_WRAPPERS,
    TRANSFORMS,
)

ROOT = Path(__file__).resolve().parents[2]
PATTERNS = ('README.md', 'CONTRIBUTING.md', 'docs/*.md', 'data/*.md', 'configs/*/*.md')
DOCUMENTS = sorted(path for pattern in PATTERNS for path in ROOT.glob(pattern))
START = r'(?:python (?:tools|demo)/|bash tools/|make )'
ASSIGNMENTS = re.compile(r'^(?:[A-Z_]+=\S+ )+')

# What a word in capitals stands for.
CONFIG = 'configs/uda/dacs_fpn_lite0_1xb4-250_toy-city-game2street-128x256.py'
STAND_INS = {
    'CONFIG': CONFIG,
    'TABLE.yml': 'configs/mean_teacher/table_camvid.yml',
    'CHAIN.yml': 'configs/kd/chain_takd_camvid.yml',
    **{name: name.lower() for name in ('CHECKPOINT', 'WORK_DIR', 'PARTITION', 'JOB', 'FILE')},
}
PLACEHOLDER = re.compile(r'[A-Z][A-Z_]+(?:\.\w+)?')
# Options shown without a command are those of one of these runs.
RUNS = (
    CONFIG,
    'configs/dts/dts-dacs_fpn_lite0_1xb4-250_toy-city-game2street-128x256.py',
    'configs/mean_teacher/mean-teacher_fpn_lite0_1xb4-800_folder-384x384.py',
    'configs/uda/daformer_daformer_mit-b5_1xb4-40k_gta2cityscapes-512x512.py',
)
REGISTRIES = (MODELS, DATASETS, DATA_SAMPLERS, HOOKS, LOOPS, OPTIM_WRAPPERS, TRANSFORMS)


def pieces(text: str) -> list[str]:
    """Lines of code blocks, continued ones joined, and what stands in backticks."""
    code, prose, is_fenced = [], [], False
    for line in text.splitlines():
        is_fence = line.lstrip().startswith('```')
        is_fenced ^= is_fence
        is_code = not is_fence and (is_fenced or line.startswith('    '))
        (code if is_code else prose).append(line.strip() if is_code else line)
        if not is_code:
            code.append('')
    lines = re.sub(r'\\\n\s*', '', '\n'.join(code)).splitlines()
    lines = [part.strip() for line in lines for part in line.split(' && ')]
    paragraphs = re.split(r'\n\s*\n', '\n'.join(prose))
    spans = [span for text in paragraphs for span in re.findall(r'`([^`]+)`', text)]
    return lines + [re.sub(r'\s+', ' ', span) for span in spans]


def commands(text: str) -> list[str]:
    """Commands of ours, without what is set before and said behind them."""
    plain = [ASSIGNMENTS.sub('', piece) for piece in pieces(text)]
    found = [piece for piece in plain if re.match(START, piece)]
    return [shlex.join(shlex.split(piece, comments=True)) for piece in found]


def bare_options(text: str) -> list[str]:
    """What is shown from ``--cfg-options`` on, without a command before it."""
    return [piece for piece in pieces(text) if piece.startswith('--cfg-options ')]


def collect(find: Any) -> dict[str, str]:
    """Return what the documents show -> the first document that shows it."""
    found: dict[str, str] = {}
    for path in DOCUMENTS:
        for piece in find(path.read_text()):
            found.setdefault(piece, str(path.relative_to(ROOT)))
    return found


COMMANDS = collect(commands)
OPTIONS = collect(bare_options)


def fill_in(word: str) -> str:
    """Put what exists in the place of a word in capitals; ``[MORE ...]`` is given once."""
    folder, _, name = word.strip('[]').rpartition('/')
    if not PLACEHOLDER.fullmatch(name):
        return word
    if name not in STAND_INS:
        raise ValueError(f'{word}: say in STAND_INS what {name} stands for')
    if name == 'CONFIG' and folder:
        return str(sorted((ROOT / folder).glob('*.py'))[0].relative_to(ROOT))
    return f'{folder}/{STAND_INS[name]}' if folder else STAND_INS[name]


def words_of(command: str) -> list[str]:
    words = shlex.split(command)
    return [fill_in(word) for word in words if word not in ('...', '...]')]


@functools.lru_cache
def load_tool(script: str) -> ModuleType:
    """Import a tool as it is when it runs: its folder is searched first."""
    path = ROOT / script
    assert path.is_file(), f'no {script}'
    name = f'documented_{path.stem}'
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return module


class Parsed(Exception):  # noqa: N818 - no error: the end of what is asked of a tool
    """The command line was read."""


def parse(script: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Read a command line by the parser of a tool."""
    tool = load_tool(script)
    monkeypatch.setattr(sys, 'argv', [script, *arguments])
    if hasattr(tool, 'parse_args'):
        return tool.parse_args(*[None] * len(inspect.signature(tool.parse_args).parameters))
    read = argparse.ArgumentParser.parse_args

    def stop(*args: Any, **kwargs: Any) -> None:
        raise Parsed(read(*args, **kwargs))

    monkeypatch.setattr(argparse.ArgumentParser, 'parse_args', stop)
    with pytest.raises(Parsed) as parsed:
        tool.main()
    return parsed.value.args[0]


@functools.lru_cache
def config_of(file: str) -> Config:
    return load_config(ROOT / file)


def takes(node: Any, key: str) -> bool:
    """Whether a key is in a node of a config, or its class has such an argument."""
    if isinstance(node, list):
        return key.isdigit() and int(key) < len(node)
    if not isinstance(node, dict):
        return False
    if key in node:
        return True
    found = [registry.get(node['type']) for registry in REGISTRIES] if 'type' in node else []
    classes = [base for cls in found if cls is not None for base in cls.__mro__]
    return any(key in inspect.signature(base.__init__).parameters for base in classes)


def unknown_keys(cfg: Config, options: dict[str, Any]) -> list[str]:
    """Return the options that name nothing of a config."""
    unknown = []
    for option in options:
        *parents, last = option.split('.')
        node: Any = cfg._cfg_dict
        for parent in parents:
            is_there = takes(node, parent)
            node = (
                node[int(parent)]
                if isinstance(node, list) and is_there
                else (node.get(parent) if isinstance(node, ConfigDict) else None)
            )
        if not takes(node, last):
            unknown.append(option)
    return unknown


def check_arguments(script: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Check options, files and config keys of a Python tool."""
    try:
        args = parse(script, arguments, monkeypatch)
    except SystemExit as end:
        assert end.code == 0, f'{script} refuses {arguments}'  # 0: --help
        return
    missing = [a for a in arguments if a.startswith('configs/') and not (ROOT / a).is_file()]
    assert not missing
    if not str(getattr(args, 'config', '')).startswith('configs/'):
        return
    cfg = config_of(args.config)
    assert not unknown_keys(cfg, getattr(args, 'cfg_options', None) or {})
    step = re.search(r'iter_(\d+)\.pth', str(getattr(args, 'checkpoint', '')))
    assert step is None or int(step[1]) == cfg.train_cfg.max_iters, f'no run writes {step[0]}'


def given_to_python(script: str, arguments: list[str], folder: Path) -> list[str]:
    """Run a shell script with stand-ins for programs, and return what it gives to a tool."""
    assert (ROOT / script).is_file(), f'no {script}'
    for name in ('python', 'srun'):
        (folder / name).write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
        (folder / name).chmod(0o755)
    env = {**os.environ, 'PATH': f'{folder}:{os.environ["PATH"]}'}
    command = ['bash', script, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    given = done.stdout.splitlines()
    (tool,) = [word for word in given if re.fullmatch(r'tools/\w+\.py', word)]
    return given[given.index(tool) :]


def check_make(arguments: list[str]) -> None:
    """Check targets and variables."""
    text = (ROOT / 'Makefile').read_text()
    for word in arguments:
        variable, is_set, _ = word.partition('=')
        if is_set:
            assert re.search(rf'\b{variable}=', text), f'the Makefile explains no {variable}'
        else:
            assert re.search(rf'^{word}:', text, re.MULTILINE), f'no target {word}'


@pytest.mark.parametrize('command', COMMANDS)
def test_command_can_be_given(command: str, tmp_path: Path, monkeypatch) -> None:
    print(f'shown by {COMMANDS[command]}')
    monkeypatch.chdir(ROOT)
    program, *words = words_of(command)
    if program == 'make':
        check_make(words)
        return
    if program == 'bash':
        words = given_to_python(words[0], words[1:], tmp_path)
    check_arguments(words[0], words[1:], monkeypatch)


@pytest.mark.parametrize('options', OPTIONS)
def test_options_fit_a_config(options: str, monkeypatch) -> None:
    print(f'shown by {OPTIONS[options]}')
    monkeypatch.chdir(ROOT)
    unknown = {}
    for run in RUNS:
        args = parse('tools/train.py', [run, *map(fill_in, shlex.split(options))], monkeypatch)
        cfg = config_of(run).copy()
        if args.amp:
            load_tool('tools/train.py').set_amp(cfg)
        unknown[run] = unknown_keys(cfg, args.cfg_options)
    assert [] in unknown.values(), unknown


def test_no_command_is_overlooked() -> None:
    texts = {path: path.read_text() for path in DOCUMENTS}
    shown = {path: len(re.findall(START, text)) for path, text in texts.items()}
    prose = {path: len(re.findall(rf'(?<![`\w] ){START}', text)) for path, text in texts.items()}
    assert prose
    found = {path: len(commands(text)) for path, text in texts.items()}
    different = {
        path.name: (shown[path], found[path]) for path in texts if shown[path] != found[path]
    }
    assert not different
    assert len(COMMANDS) > 60
    assert len(OPTIONS) >= 5
