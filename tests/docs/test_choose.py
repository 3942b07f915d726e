"""Numbers of the page on choosing a method are those of the tables that stand beside them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / 'docs/choose.md'
NUMBER = re.compile(r'[+-]?\d+\.\d+(?: \+- \d+\.\d+)?')
LINK = re.compile(r'\]\(([^)#]+\.md)')
TABLE = re.compile(r'<!-- table: (\S+) -->(.*?)<!-- /table -->', re.DOTALL)
# choices within a method, and the runs of a figure: no comparison of methods
OTHERS = ('ablations', 'rules', 'share', 'coupling')


def claims(text: str) -> list[str]:
    """Rows of tables, items of lists and paragraphs with numbers; settings in code are none."""
    parts = re.split(r'\n(?=[|-] )|\n\s*\n', text)
    return [part for part in parts if NUMBER.search(re.sub('`[^`]*`', '', part))]


def unfounded(claim: str) -> list[str]:
    """Numbers of a claim that no document says to which it links."""
    documents = ' '.join((PAGE.parent / link).read_text() for link in LINK.findall(claim))
    numbers = NUMBER.findall(re.sub('`[^`]*`', '', claim))
    return [n for n in numbers if not re.search(rf'(?<![\d.]){re.escape(n)}(?!\d)', documents)]


@pytest.mark.parametrize('claim', claims(PAGE.read_text()))
def test_numbers_are_those_of_the_linked_tables(claim: str) -> None:
    assert not unfounded(claim), 'a table was measured anew: take its numbers into docs/choose.md'


def finished_tables() -> dict[str, str]:
    """Text of the tables that compare methods and have runs, by their names."""
    readmes = sorted((ROOT / 'configs').glob('*/README.md'))
    tables = [pair for readme in readmes for pair in TABLE.findall(readme.read_text())]
    return {
        name: text
        for name, text in tables
        if 'No run of this table' not in text and name.rpartition('-')[2] not in OTHERS
    }


@pytest.mark.parametrize(('name', 'table'), finished_tables().items(), ids=list(finished_tables()))
def test_every_finished_table_is_evidence(name: str, table: str) -> None:
    """A number with two digits after the point is of one table, by all likelihood."""
    text = re.sub('`[^`]*`', '', PAGE.read_text())
    exact = [n for n in NUMBER.findall(text) if len(n.split()[0].split('.')[1]) == 2]
    said = [n for n in exact if re.search(rf'(?<![\d.+-]){re.escape(n)}(?!\d)', table)]
    assert said, f'{name} has runs: say in docs/choose.md what they show'


def test_a_number_without_a_table_is_found() -> None:
    table = '[t](../configs/mean_teacher/README.md)'
    assert unfounded(f'{table} 44.56 +- 1.53, 144.56, 44.5') == ['144.56', '44.5']
    assert unfounded('44.56, see below') == ['44.56']
    assert claims('`0.98` is short\n\n| a | 1.5 |\n|---|\n- b\n- 2.5\n  of it') == [
        '| a | 1.5 |\n|---|',
        '- 2.5\n  of it',
    ]


def test_the_page_makes_claims() -> None:
    assert len(claims(PAGE.read_text())) >= 7
