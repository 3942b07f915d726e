"""MkDocs hook: README files are pages of the site, and links between them work."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    'index.md': 'README.md',
    'data.md': 'data/README.md',
    'toy_city.md': 'data/toy_city.md',
    'contributing.md': 'CONTRIBUTING.md',
    'changelog.md': 'CHANGELOG.md',
    'methods/lad_published.md': 'configs/lad/published.md',
    **{
        f'methods/{readme.parent.name}.md': readme.relative_to(ROOT).as_posix()
        for readme in sorted(ROOT.glob('configs/*/README.md'))
    },
}
PAGE_OF = {source: page for page, source in PAGES.items()}
LINK = re.compile(r'(!?)\[([^\]]*)\]\(([^)\s#]*)(#[^)]*)?\)')


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the README files as pages.

    Args:
        files: what MkDocs found in ``docs``.
        config: of the site.

    Returns:
        All files.
    """
    for page, source in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links to files of the repository into links between pages, others into plain text.

    Args:
        markdown: text of a page.
        page: the page.
        config: of the site.
        files: all files of the site.

    Returns:
        The text with new links.

    Raises:
        FileNotFoundError: if a link leads to a file that is not there.
    """
    uri = page.file.src_uri
    source = PAGES.get(uri, f'docs/{uri}')

    def replace(match: re.Match[str]) -> str:
        picture, text, target, anchor = match.groups()
        if not target or '://' in target or target.startswith('mailto:'):
            return match[0]
        path = os.path.normpath(PurePosixPath(source).parent / target)
        if not (ROOT / path).exists():
            raise FileNotFoundError(f'{source} links to {target}, which is not in the repository')
        destination = PAGE_OF.get(path) or PAGE_OF.get(f'{path}/README.md')
        if destination is None and path.startswith('docs/'):
            destination = path.removeprefix('docs/')
        if destination is None:
            return text
        relative = os.path.relpath(destination, PurePosixPath(uri).parent)
        return f'{picture}[{text}]({relative}{anchor or ""})'

    return LINK.sub(replace, markdown)
