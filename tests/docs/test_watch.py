"""Backends for logs that the page on watching a run shows can be built."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from command_lines import ROOT, commands, words_of
from mmengine.config import Config, DictAction
from mmengine.visualization import Visualizer

from dts.config import load_config
from dts.launch import add_common_arguments

PAGE = (ROOT / 'docs/watch.md').read_text()


def backends(cfg: Config, folder: Path) -> list[str]:
    """Build the backends, which import their packages later; their names."""
    built = Visualizer(vis_backends=cfg.visualizer.vis_backends, save_dir=str(folder))
    return list(built._vis_backends)


def test_config_of_the_page(tmp_path: Path) -> None:
    (text,) = re.findall(r'```python\n(.*?)```', PAGE, flags=re.DOTALL)
    file = tmp_path / 'street.py'
    file.write_text(text.replace("['dacs", f"['{ROOT}/configs/uda/dacs"))
    cfg = load_config(file)
    assert cfg.visualizer.type == 'SegLocalVisualizer'
    expected = ['LocalVisBackend', 'WandbVisBackend', 'MLflowVisBackend']
    assert backends(cfg, tmp_path) == expected


def test_options_of_the_page(tmp_path: Path) -> None:
    shown = [words_of(command) for command in commands(PAGE) if 'vis_backends' in command]
    parser = argparse.ArgumentParser()
    add_common_arguments(parser)
    names = []
    for _, _, config, *options in shown:
        cfg = load_config(ROOT / config)
        cfg.merge_from_dict(parser.parse_args(options).cfg_options)
        names += backends(cfg, tmp_path)
    assert names == ['WandbVisBackend', 'MLflowVisBackend']


def test_a_list_of_backends_cannot_be_given_as_an_option() -> None:
    """What MMEngine makes of it are strings; should it learn better, the page can say so."""
    text = 'dict(type="LocalVisBackend")'
    assert DictAction._parse_iterable(f'[{text}]') == [text]
