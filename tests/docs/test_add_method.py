"""The code of the page on adding a method does what the page says."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from dts.config import load_config
from dts.registry import MODELS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / 'docs/add_method.md').read_text()
METHOD, CONFIG, TESTS = re.findall(r'```python\n(.*?)```', PAGE, flags=re.DOTALL)
NAMES = re.findall(r'^def (test_\w+)', TESTS, flags=re.MULTILINE)


@pytest.fixture
def page() -> dict[str, Any]:
    """Run the method and its tests; what they define."""
    defined: dict[str, Any] = {}
    exec(METHOD, defined)
    exec(TESTS, defined)
    yield defined
    MODELS._module_dict.pop('ConfidentLabels')


def test_the_page_has_a_method_a_config_and_tests() -> None:
    assert 'class ConfidentLabels(TeacherStudent)' in METHOD
    assert 'confident_labels' in CONFIG
    assert len(NAMES) == 2


@pytest.mark.parametrize('name', NAMES)
def test_tests_of_the_page(page: dict[str, Any], name: str) -> None:
    page[name]()


@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize(
    ('right', 'wrong'),
    [
        ("'unsup', weight)", "'unsup', 1 - weight)"),
        ('probabilities(weak)', 'probabilities(strong)'),
    ],
)
def test_tests_of_the_page_find_a_fault(
    page: dict[str, Any], name: str, right: str, wrong: str
) -> None:
    """A swapped weight fails both tests, the wrong view the one that compares values."""
    MODELS._module_dict.pop('ConfidentLabels')
    assert right in METHOD
    exec(METHOD.replace(right, wrong), page)
    if 'strong' in wrong and 'unsure' in name:
        page[name]()
        return
    with pytest.raises(AssertionError):
        page[name]()


@pytest.mark.slow
def test_config_of_the_page_builds(
    page: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, 'confident_labels', ModuleType('confident_labels'))
    file = tmp_path / 'confident_labels_folder.py'
    file.write_text(CONFIG.replace("['configs/", f"['{ROOT}/configs/"))
    cfg = load_config(file)
    method = MODELS.build(cfg.model)
    assert isinstance(method, page['ConfidentLabels'])
    assert isinstance(method.student, torch.nn.Module)
    assert cfg.custom_hooks[0].type == 'dts.EmaTeacherHook'
