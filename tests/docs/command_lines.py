"""Commands that the documents show, as words that can be given."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

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
    **{
        name: name.lower()
        for name in (
            'BASELINE',
            'CHECKPOINT',
            'DISTILLED',
            'FILE',
            'IMAGE',
            'JOB',
            'OUT_FOLDER',
            'PARTITION',
            'WORK_DIR',
        )
    },
}
PLACEHOLDER = re.compile(r'[A-Z][A-Z_]+(?:\.\w+)?')


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


def collect(find: Callable[[str], list[str]]) -> dict[str, str]:
    """Return what the documents show -> the first document that shows it."""
    found: dict[str, str] = {}
    for path in DOCUMENTS:
        for piece in find(path.read_text()):
            found.setdefault(piece, str(path.relative_to(ROOT)))
    return found


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
