"""What a section of the report consists of; the templates draw each kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(frozen=True)
class Note:
    """A sentence: why there is no data, or how to read what follows."""

    text: str
    kind: ClassVar[str] = 'note'


@dataclass(frozen=True)
class Table:
    """A table that scrolls in its own box.

    Attributes:
        title: heading, may be empty.
        header: names of the columns; the first one stays in view.
        rows: texts; the first one names the row.
        caption: how the numbers were made.
        is_text: whether cells hold words, aligned to the left, and not numbers.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ''
    is_text: bool = False
    kind: ClassVar[str] = 'table'


@dataclass(frozen=True)
class Chart:
    """A figure of plotly.

    Attributes:
        figure: JSON of plotly.
        height: in pixels.
        min_width: in pixels, below which it scrolls in its own box.
        csv: the same numbers as text, offered for download when it is not empty.
        csv_name: name of that file.
    """

    figure: str
    height: int
    min_width: int = 0
    csv: str = ''
    csv_name: str = ''


@dataclass(frozen=True)
class Choice:
    """Charts of one kind, of which one is shown at a time.

    Attributes:
        title: heading.
        charts: name -> chart; the first is shown at the start.
        label: of the box that chooses.
        caption: how to read it.
    """

    title: str
    charts: dict[str, Chart]
    label: str = 'Show'
    caption: str = ''
    kind: ClassVar[str] = 'choice'


@dataclass(frozen=True)
class Cell:
    """One picture: its caption and a data URI."""

    caption: str
    uri: str


@dataclass(frozen=True)
class Panel:
    """Pictures of one image.

    Attributes:
        reason: why it was picked.
        name: of the image.
        numbers: its scores, in words.
        cells: the pictures.
    """

    reason: str
    name: str
    numbers: str
    cells: list[Cell]


@dataclass(frozen=True)
class Gallery:
    """Panels of every run, of which those of one are shown at a time.

    Attributes:
        title: heading.
        panels: name of the run -> panels.
        legend: (colour, class) of the label maps.
        caption: how to read them.
    """

    title: str
    panels: dict[str, list[Panel]]
    legend: list[tuple[str, str]]
    caption: str
    kind: ClassVar[str] = 'gallery'


@dataclass(frozen=True)
class Sources:
    """Long texts, folded.

    Attributes:
        title: heading.
        texts: name -> text.
    """

    title: str
    texts: dict[str, str]
    kind: ClassVar[str] = 'sources'


Block = Note | Table | Choice | Gallery | Sources


@dataclass(frozen=True)
class Section:
    """A tab of the report.

    Attributes:
        name: in addresses, ``#name``.
        title: of the tab.
        blocks: from top to bottom.
    """

    name: str
    title: str
    blocks: list[Block] = field(default_factory=list)
