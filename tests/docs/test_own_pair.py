"""The pair of ``configs/kd/README.md``: its config builds, loads its teacher and takes a step."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper

from dts.distill.terms import DistillTerm
from dts.registry import HOOKS, MODELS
from toys import toy_batch, toy_segmentor_config

PAGE = (Path(__file__).parents[2] / 'configs/kd/README.md').read_text()
SECTION = PAGE.partition('## Your own pair')[2].partition('\n## ')[0]
(CONFIG,) = re.findall(r'```python\n(.*?)```', SECTION, flags=re.DOTALL)


def test_config_of_the_page_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    teacher = toy_segmentor_config(channels=2048)
    Config(dict(model=teacher), format_python_code=False).dump('teacher.py')
    torch.save(MODELS.build(teacher).state_dict(), 'teacher.pth')
    names: dict[str, Any] = {'student': toy_segmentor_config(channels=512)}
    exec(CONFIG, names)
    method = MODELS.build(names['model']).train()
    (entry,) = names['custom_hooks']
    hook = HOOKS.build(entry)
    hook.before_train(SimpleNamespace(model=method))
    wrapper = OptimWrapper(torch.optim.AdamW(method.parameters()))
    for iteration, is_on in ((0, False), (1000, True)):
        hook.before_train_iter(None, iteration)
        logged = method.train_step(toy_batch(num_unlabeled=0, size=(8, 8)), wrapper)
        assert logged['distill.0.loss_kd'] > 0
        assert (logged['distill.1.loss_kd'] > 0) == is_on


def test_keys_of_the_page_are_those_of_a_term() -> None:
    rows = re.findall(r'^\| (`.*?`) \|', SECTION, flags=re.MULTILINE)
    keys = {key for row in rows for key in re.findall(r'`(\w+)`', row)}
    term = DistillTerm.__init__.__annotations__.keys() - {'return', 'ignore_index'}
    assert keys == term
