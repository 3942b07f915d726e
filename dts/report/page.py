"""The page: sections as HTML, with style, script and plotly inside."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from dts.report.classes import classes_section
from dts.report.configs import configs_section
from dts.report.curves import curves_section, labels_section
from dts.report.final import predict_run
from dts.report.groups import group_runs
from dts.report.overview import overview_section
from dts.report.pictures import confusion_section, pictures_section
from dts.report.run import Run

TEMPLATES = str(resources.files('dts.report') / 'templates')


def render_page(
    runs: Sequence[Run], checkpoints: Sequence[Path] | None, num_images: int, made: str
) -> str:
    """Return the HTML of a report.

    Args:
        runs: at least one.
        checkpoints: file per run, None for the last one of each.
        num_images: test images that the networks predict; 0 runs no network.
        made: when and by what, for the foot of the page.
    """
    groups = group_runs(runs)
    files: Sequence[Path | None] = checkpoints or [None] * len(runs)
    finals = {
        run.name: predict_run(run, file, num_images) for run, file in zip(runs, files, strict=True)
    }
    sections = [
        overview_section(groups),
        curves_section(groups),
        labels_section(groups),
        classes_section(groups),
        confusion_section(finals),
        pictures_section(finals),
        configs_section(runs),
    ]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters['csv_uri'] = _csv_uri
    environment.filters['breakable'] = _breakable
    template = environment.get_template('report.html.j2')
    title = ', '.join(group.name for group in groups)
    return template.render(sections=sections, title=title, made=made, plotly=get_plotlyjs())


def _breakable(text: str) -> Markup:
    """Return text that may go to the next line inside of paths and long names."""
    pieces = re.split(r'(?<=[/_.])(?=\w{3})', text)
    return Markup('<wbr>').join(pieces)


def _csv_uri(text: str) -> str:
    """Return a data URI of a table."""
    return f'data:text/csv;base64,{base64.b64encode(text.encode()).decode()}'
