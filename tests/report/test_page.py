"""The page as a whole: one file, readable in a browser at two widths."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from dts.report.write import write_report

# Runs inside of the page: visits every tab, zooms, and tells what it saw.
PROBE = """
<script>
addEventListener('load', async () => {
  const seen = [];
  const wide = () => document.documentElement.scrollWidth > innerWidth && seen.push('too wide');
  for (const tab of document.querySelectorAll('[role=tab]')) {
    tab.click();
    const shown = [...document.querySelectorAll('[role=tabpanel]:not([hidden])')];
    if (shown.length !== 1 || shown[0].getAttribute('aria-labelledby') !== tab.id) seen.push('tab');
    wide();
  }
  document.getElementById('tab-curves').click();
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const plots = [...document.querySelectorAll('.plot')].filter((p) => p.offsetParent !== null);
  for (const plot of plots) if (!plot.querySelector('svg')) seen.push('no chart');
  const [plot] = plots;
  const before = plot._fullLayout.xaxis.range.slice();
  const drag = plot.querySelector('.nsewdrag');
  const box = drag.getBoundingClientRect();
  const send = (type, x) => (type === 'mousedown' ? drag : document).dispatchEvent(
    new MouseEvent(type, { bubbles: true, clientX: x, clientY: box.top + 40, buttons: 1 }));
  send('mousedown', box.left + box.width * 0.25);
  send('mousemove', box.left + box.width * 0.5);
  send('mousemove', box.left + box.width * 0.75);
  send('mouseup', box.left + box.width * 0.75);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const after = plot._fullLayout.xaxis.range;
  const share = (after[1] - after[0]) / (before[1] - before[0]);
  if (Math.abs(share - 0.5) > 0.05) seen.push(`zoom to ${share}`);
  const found = seen.join(', ') || 'fine';
  parent.postMessage(`width ${innerWidth}, plots ${plots.length}: ${found}`, '*');
});
</script>
"""
FRAME = """<!doctype html><title>x</title>
<iframe src="probed.html" style="width:{width}px;height:900px;border:0"></iframe>
<script>addEventListener('message', (e) => document.body.append('SAW ' + e.data + '.'))</script>
"""


@pytest.fixture
def page(make_run, tmp_path: Path) -> Path:
    folders = [
        make_run(f'setting_{n}/seed{i}', seed=i, threshold=n / 10) for n in (1, 2) for i in (0, 1)
    ]
    write_report(folders, tmp_path / 'out/report.html', num_images=0)
    return tmp_path / 'out/report.html'


class Elements(HTMLParser):
    """Attributes that make a browser load something."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [v or '' for k, v in attributes if k in ('src', 'href', 'srcset', 'data')]


@pytest.mark.slow
def test_one_file_that_loads_nothing_and_holds_plotly_once(page):
    html = page.read_text()
    elements = Elements()
    elements.feed(html)
    assert [a for a in elements.addresses if a and not a.startswith('data:')] == []
    assert "default-src 'none'" in html
    assert len(re.findall(r'\* plotly\.js v', html)) == 1
    assert elements.tags.count('section') == 7


def test_texts_of_runs_cannot_become_markup(make_run, tmp_path):
    folder = make_run('a')
    write_report([folder], tmp_path / 'x.html', names=['</script><b id="oops">'], num_images=0)
    elements = Elements()
    elements.feed((tmp_path / 'x.html').read_text())
    assert elements.tags.count('b') == 0


@pytest.mark.slow
def test_skipped_networks_are_named_with_the_reason(page, make_run, tmp_path):
    assert 'not asked for (--images 0)' in page.read_text()
    write_report([make_run('c')], tmp_path / 'y.html', num_images=2)
    assert 'there is no whole iter_*.pth in its folder' in (tmp_path / 'y.html').read_text()


def test_lists_must_match_the_runs(make_run, tmp_path):
    with pytest.raises(ValueError, match='2 names for 1 runs'):
        write_report([make_run('a')], tmp_path / 'x.html', names=['a', 'b'])


@pytest.mark.slow
@pytest.mark.parametrize('width', [1280, 390])
def test_browser_shows_it_without_errors_or_overflow(page, width):
    browser = shutil.which('chromium') or shutil.which('chromium-browser')
    if browser is None:
        pytest.skip('chromium is not installed (Debian: apt-get install chromium)')
    folder = page.parent
    html = page.read_text().replace('</body>', f'{PROBE}</body>')
    (folder / 'probed.html').write_text(html)
    (folder / 'frame.html').write_text(FRAME.format(width=width))
    command = [
        browser, '--headless', '--no-sandbox', '--disable-gpu', '--enable-logging=stderr',
        f'--user-data-dir={folder / "profile"}', '--window-size=1400,1000',
        '--virtual-time-budget=20000', '--dump-dom', f'file://{folder / "frame.html"}',
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
    assert [line for line in done.stderr.splitlines() if 'CONSOLE' in line] == []
    (saw,) = re.findall(r'SAW (width.*)\.', done.stdout)
    assert saw == f'width {width}, plots 3: fine'
