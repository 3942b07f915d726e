"""Every command that a document shows can be given: script, options, files and config keys exist.

Nothing is trained. Each tool's own parser reads the arguments; shell scripts run with stand-ins for
``python`` and ``srun`` that print what they were given, which the parser of that tool then reads.
"""

from __future__ import annotations

import argparse
import copy
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
import torch
from command_lines import (
    CONFIG,
    DOCUMENTS,
    ROOT,
    bare_options,
    collect,
    commands,
    fill_in,
    words_of,
)
from config_keys import unknown_keys
from mmengine.config import Config

from dts.config import load_config

# Options shown without a command are those of one of these runs.
RUNS = (
    CONFIG,
    'configs/dts/dts-dacs_fpn_lite0_1xb4-250_toy-city-game2street-128x256.py',
    'configs/mean_teacher/mean-teacher_fpn_lite0_1xb4-800_folder-384x384.py',
    'configs/uda/daformer_daformer_mit-b5_1xb4-40k_gta2cityscapes-512x512.py',
    'configs/uda/hrda_hrda_mit-b5_1xb4-40k_gta2cityscapes-1024x1024.py',
)
COMMANDS = collect(commands)
OPTIONS = collect(bare_options)


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
    """Read a command line by the parser of a tool; None for ``--help``."""
    tool = load_tool(script)
    if not hasattr(tool, 'main'):  # a few lines without options: its docstring names what it takes
        usage = re.search(rf'{Path(script).name} (.*)$', tool.__doc__, re.MULTILINE)[1]
        num_needed = sum(word != '...' for word in usage.split())
        assert len(arguments) >= num_needed, f'{script} takes {usage}'
        assert not [word for word in arguments if word.startswith('-')], f'{script} takes {usage}'
        return None
    monkeypatch.setattr(sys, 'argv', [script, *arguments])
    read = argparse.ArgumentParser.parse_args

    def stop(*args: Any, **kwargs: Any) -> None:
        raise Parsed(read(*args, **kwargs))

    try:
        if hasattr(tool, 'parse_args'):
            return tool.parse_args(*[None] * len(inspect.signature(tool.parse_args).parameters))
        with monkeypatch.context() as patch:
            patch.setattr(argparse.ArgumentParser, 'parse_args', stop)
            with pytest.raises(Parsed) as parsed:
                tool.main()
    except SystemExit as end:
        if end.code:
            raise AssertionError(f'{script} refuses {arguments}') from end
        return None
    return parsed.value.args[0]


@functools.lru_cache
def config_of(file: str) -> Config:
    return load_config(ROOT / file)


def with_flags(cfg: Config, args: Any, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Return a config with what the flags of training set in it, as if a GPU were there."""
    cfg, train = copy.deepcopy(cfg), load_tool('tools/train.py')
    with monkeypatch.context() as patch:
        patch.setattr(torch.cuda, 'is_available', lambda: True)
        if getattr(args, 'amp', False):
            train.set_amp(cfg)
        if getattr(args, 'report', False):
            train.add_report(cfg)
    return cfg


def check_arguments(script: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Check options, files and config keys of a Python tool."""
    args = parse(script, arguments, monkeypatch)
    missing = [a for a in arguments if a.startswith('configs/') and not (ROOT / a).is_file()]
    assert not missing
    if not str(getattr(args, 'config', '')).startswith('configs/'):
        return
    cfg = config_of(args.config)
    options = getattr(args, 'cfg_options', None) or {}
    assert not unknown_keys(with_flags(cfg, args, monkeypatch), options)
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


def check(command: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check a command; programs that stand in for others are written to the folder."""
    monkeypatch.chdir(ROOT)
    program, *words = words_of(command)
    if program == 'make':
        check_make(words)
        return
    if program == 'bash':
        words = given_to_python(words[0], words[1:], folder)
    check_arguments(words[0], words[1:], monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize(('command', 'document'), COMMANDS.items())
def test_command_can_be_given(command: str, document: str, tmp_path: Path, monkeypatch) -> None:
    check(command, tmp_path, monkeypatch)


@pytest.mark.parametrize(
    'command',
    [
        'python tools/trane.py CONFIG',
        'python tools/train.py CONFIG --works-dir work_dirs/mine',
        'python tools/train.py CONFIG --seed one',
        'python tools/train.py configs/uda/gone.py',
        'python tools/train.py CONFIG --cfg-options model.treshold=0.9',
        'python tools/train.py CONFIG --cfg-options train_cfg.max_iters.more=1',
        'python tools/train.py CONFIG --cfg-options default_hooks.report.num_images=1',
        'python tools/train.py CONFIG --report --cfg-options default_hooks.report.images=1',
        'python tools/train.py CONFIG --cfg-options visualizer.vis_backends.0.exp_name=street',
        'python tools/train.py CONFIG --cfg-options visualizer.vis_backends.0.kwargs.name=street',
        'python tools/test.py CONFIG',
        'python tools/test.py CONFIG work_dirs/mine/iter_800.pth',
        'python tools/zoo.py upload resnet',
        'python tools/dataset_converters/import_split.py voc2012-classic-183-321',
        'python tools/analysis_tools/doctor.py --fix',
        'python tools/deployment/predict_onnx.py model.onnx IMAGE',
        'python tools/deployment/predict_onnx.py model.onnx IMAGE --out labels.png',
        'python demo/infer.py photos CONFIG CHECKPOINT',
        'bash tools/dist_train.sh CONFIG',
        'bash tools/dist_train.sh CONFIG 4 --max-iters 3',
        'bash tools/dist_tests.sh CONFIG CHECKPOINT 4',
        'make tests',
        'make test PYTHN=python3.12',
    ],
)
def test_wrong_command_is_found(command: str, tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(AssertionError):
        check(command, tmp_path, monkeypatch)


def configs_that_take(options: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the runs whose config has every entry that is set."""
    found = []
    for run in RUNS:
        args = parse('tools/train.py', [run, *map(fill_in, shlex.split(options))], monkeypatch)
        cfg = with_flags(config_of(run), args, monkeypatch)
        if not unknown_keys(cfg, args.cfg_options):
            found.append(run)
    return found


@pytest.mark.parametrize(('options', 'document'), OPTIONS.items())
def test_options_fit_a_config(options: str, document: str, monkeypatch) -> None:
    assert configs_that_take(options, monkeypatch)


@pytest.mark.parametrize(
    'options', ['model.sequentiel=True', 'optim_wrapper.dtype=bfloat16', 'custom_hooks.9.decay=0']
)
def test_wrong_options_are_found(options: str, monkeypatch) -> None:
    assert not configs_that_take(f'--cfg-options {options}', monkeypatch)


def test_unknown_placeholder_is_told() -> None:
    with pytest.raises(ValueError, match='say in STAND_INS what SETTINGS stands for'):
        words_of('python tools/train.py SETTINGS')


def test_commands_are_found_wherever_they_stand() -> None:
    text = (
        'Give `python tools/a.py\nA --b` or\n\n'
        "    D=1 E=... python tools/c.py 'x y' \\\n        --d  # why\n"
        '    git clone x && make test\n\n'
        '```bash\nbash tools/e.sh F 4\n```\n\n'
        '| `python demo/g.py` | 1 |\n\nOptions: `--cfg-options\na.b=1`; we make none.\n'
    )
    assert commands(text) == [
        "python tools/c.py 'x y' --d",
        'make test',
        'bash tools/e.sh F 4',
        'python tools/a.py A --b',
        'python demo/g.py',
    ]
    assert bare_options(text) == ['--cfg-options a.b=1']


def test_no_command_is_overlooked() -> None:
    """``make`` is a word of prose too: not counted, nor a command that is an argument of one."""
    scripts = r"(?<!')(?:python (?:tools|demo)|bash tools)/"
    for path in DOCUMENTS:
        text = path.read_text()
        found = [command for command in commands(text) if not command.startswith('make')]
        assert len(found) == len(re.findall(scripts, text)), path
    assert len(COMMANDS) > 60
    assert len(OPTIONS) >= 5
