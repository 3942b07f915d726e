"""zoo.py: list, download, verify."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS.parent / 'tools'))
sys.path.insert(0, str(TESTS / 'zoo'))

import zoo as tool
from indexes import entry, use_index
from servers import CONTENT, serve


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A zoo of three entries, none of them here: from a server, from a bad one, by hand."""
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    original = tmp_path / 'w.pth'
    original.write_bytes(CONTENT)
    (tmp_path / 'v.pth').write_bytes(CONTENT)
    manual = dict(page='https://page', published='p.pth', command='make {file}')
    by_hand = entry('by_hand', original, manual=manual)
    by_hand['files'][0].update(name='h.pth', size=None, sha256=None)
    with serve() as server:
        use_index(
            monkeypatch,
            tmp_path,
            entry('good', original, server.url('good')),
            entry('bad', tmp_path / 'v.pth', server.url('not_found')),
            by_hand,
        )
        yield tmp_path


def test_list_tells_what_is_here(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tool.main(['list'])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines[:2]] == [
        ['good', 'backbone', '-'],
        ['bad', 'backbone', '-'],
    ]
    assert 'by hand' in lines[2]
    assert lines[3] == f'files: {root / "zoo"}'
    tool.main(['download', 'good'])
    capsys.readouterr()
    tool.main(['list'])
    assert capsys.readouterr().out.split()[:3] == ['good', 'backbone', 'here']


def test_download_shows_progress_and_prints_the_place(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tool.main(['download', 'good'])
    out = capsys.readouterr().out
    assert '307.2/307.2 kB' in out
    assert out.splitlines()[-1] == str(root / 'zoo/w.pth')
    tool.main(['download', 'good'])
    assert capsys.readouterr().out.split() == [str(root / 'zoo/w.pth')]


def test_a_wrong_name_stops_before_the_first_download(root: Path) -> None:
    with pytest.raises(ValueError, match="nothing named 'god': did you mean good"):
        tool.main(['download', 'good', 'god'])
    assert not (root / 'zoo').exists()


def test_verify_looks_at_what_is_here_or_at_what_is_named(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tool.main(['download', 'good'])
    (root / 'zoo/h.pth').write_bytes(b'anything')
    capsys.readouterr()
    tool.main(['verify'])
    out = capsys.readouterr().out
    assert f'ok        good: {root / "zoo/w.pth"} (SHA-256)' in out
    assert 'not here  bad: v.pth' in out
    assert f'ok        by_hand: {root / "zoo/h.pth"} (not checked: made on this machine)' in out
    with pytest.raises(ValueError, match='1 files are damaged or not here'):
        tool.main(['verify', 'bad'])
    (root / 'zoo/w.pth').write_bytes(CONTENT[::-1])
    with pytest.raises(ValueError, match='1 files are damaged'):
        tool.main(['verify'])
    assert 'DAMAGED   good' in capsys.readouterr().out


def test_verify_says_which_entries_rest_on_a_prefix(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / 'zoo').mkdir()
    (root / 'zoo/w.pth').write_bytes(CONTENT)
    facts = entry('prefix', root / 'w.pth')
    file = facts['files'][0]
    file.update(sha256_prefix=file['sha256'][:8], sha256=None, size=None)
    use_index(monkeypatch, root, facts)
    tool.main(['verify', 'prefix'])
    assert '(first 8 digits of SHA-256)' in capsys.readouterr().out
