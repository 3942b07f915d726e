"""Messages that the troubleshooting page explains are messages that the code gives."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / 'docs/troubleshooting.md').read_text()
# Sections whose first column quotes our errors; the last ones quote the log.
SECTIONS = (
    '## Set-up',
    '## Configs',
    '## Data',
    '## Checkpoints and resume',
    '## Scores, report, export',
)
FOREIGN = "No module named 'mmcv._ext'"


def quoted() -> list[str]:
    """Messages in the first column of the sections' tables."""
    found = []
    for section in SECTIONS:
        text = PAGE.split(section, 1)[1].split('\n## ', 1)[0]
        for row in re.findall(r'^\| (.*?) \|', text, flags=re.MULTILINE):
            found += re.findall(r'`([^`]+)`', row)
    return [message for message in found if message != FOREIGN]


def literals() -> list[str]:
    """Text of all strings of the code but docstrings, what is filled in replaced by a bar."""
    texts = []
    for file in sorted(file for name in ('dts', 'tools') for file in (ROOT / name).rglob('*.py')):
        tree = ast.parse(file.read_text())
        docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if id(node) in docstrings:
                continue
            if isinstance(node, ast.JoinedStr):
                parts = [v.value if isinstance(v, ast.Constant) else '|' for v in node.values]
                texts.append(''.join(str(part) for part in parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return texts


LITERALS = literals()


@pytest.mark.parametrize('message', quoted())
def test_message_is_one_of_ours(message):
    pieces = [piece.strip() for piece in message.split('...') if piece.strip()]
    assert pieces
    missing = [piece for piece in pieces if not any(piece in text for text in LITERALS)]
    assert not missing


def test_the_page_quotes_messages():
    assert len(quoted()) > 35
