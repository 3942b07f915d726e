"""The documentation site builds, and its pages are reachable."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_site_builds_without_a_warning(tmp_path):
    pytest.importorskip('mkdocs', reason='pip install dts[docs]')
    command = [sys.executable, '-m', 'mkdocs', 'build', '--strict', '-d', str(tmp_path / 'site')]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    page = (tmp_path / 'site/methods/dual_teacher/index.html').read_text()
    assert 'href="../mean_teacher/"' in page  # a link between folders leads to the page
    assert 'dual_teacher.py"' not in page  # a link to code is text
    readmes = {file.parent.name for file in ROOT.glob('configs/*/README.md')}
    pages = {folder.name for folder in (tmp_path / 'site/methods').iterdir()}
    assert readmes <= pages
    navigation = (ROOT / 'mkdocs.yml').read_text()
    assert not [name for name in readmes if f'methods/{name}.md' not in navigation]
