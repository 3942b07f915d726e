"""Downloads from servers that work, lie, stall and break off."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest
from servers import CONTENT, Server

from dts.zoo import download as module
from dts.zoo.download import download
from dts.zoo.index import ZooFile

SHA256 = hashlib.sha256(CONTENT).hexdigest()
OTHER = b'x' * 5000  # the beginning of some other file


def zoo_file(
    *urls: str,
    size: int | None = len(CONTENT),
    sha256: str | None = SHA256,
    sha256_prefix: str | None = None,
) -> ZooFile:
    return ZooFile('w.pth', urls, size, sha256, sha256_prefix)


class Run:
    """A download into an empty folder."""

    def __init__(self, folder: Path) -> None:
        self.target = folder / 'new/w.pth'
        self.part = folder / 'new/.w.pth.part'
        self.reports: list[tuple[int, int | None]] = []

    def __call__(self, file: ZooFile, timeout: float = 5.0) -> None:
        download(
            file,
            self.target,
            progress=lambda done, total: self.reports.append((done, total)),
            timeout=timeout,
        )

    def begin(self, content: bytes) -> None:
        self.part.parent.mkdir(parents=True, exist_ok=True)
        self.part.write_bytes(content)

    def is_done(self) -> bool:
        return self.target.read_bytes() == CONTENT and not self.part.exists()

    def names(self) -> set[str]:
        return {p.name for p in self.target.parent.iterdir()} - {module.LOCK_NAME}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def ranges(server: Server) -> list[str | None]:
    return [requested for _, requested in server.requests]


@pytest.mark.parametrize('size', [len(CONTENT), None])
@pytest.mark.parametrize('behaviour', ['good', 'redirects', 'says_nothing_of_length'])
def test_file_arrives_whole_and_progress_is_told(
    server: Server, run: Run, behaviour: str, size: int | None
) -> None:
    run(zoo_file(server.url(behaviour), size=size))
    assert run.is_done()
    done = [d for d, _ in run.reports]
    assert done == sorted(done)
    assert done[-1] == len(CONTENT)
    known = size is not None or behaviour != 'says_nothing_of_length'
    assert {total for _, total in run.reports} == {len(CONTENT) if known else None}


def test_partial_file_is_gone_on_from(server: Server, run: Run) -> None:
    run.begin(CONTENT[:100_000])
    run(zoo_file(server.url('good')))
    assert run.is_done()
    assert ranges(server) == ['bytes=100000-']
    assert run.reports[0][0] > 100_000


def test_server_that_ignores_the_range_starts_anew(server: Server, run: Run) -> None:
    run.begin(CONTENT[:100_000])
    run(zoo_file(server.url('ignores_range')))
    assert run.is_done()


def test_interrupted_transfer_goes_on_at_the_same_mirror(server: Server, run: Run) -> None:
    """Every answer ends half-way: 1/2, 3/4, 7/8, 15/16, 31/32 are there after five."""
    with pytest.raises(FileNotFoundError, match=r'truncates: ended after \d+ of 307200 bytes'):
        run(zoo_file(server.url('truncates')))
    assert ranges(server)[:3] == [None, 'bytes=153600-', 'bytes=230400-']
    assert run.names() == {'.w.pth.part'}
    assert run.part.read_bytes() == CONTENT[: run.part.stat().st_size]
    run(zoo_file(server.url('good')))  # a later call, another mirror
    assert run.is_done()
    assert ranges(server)[-1] == 'bytes=297600-'


def test_a_partial_file_of_something_else_is_thrown_away(server: Server, run: Run) -> None:
    run.begin(OTHER)
    run(zoo_file(server.url('good')))
    assert run.is_done()
    assert ranges(server) == ['bytes=5000-', None]


def test_a_partial_file_that_is_too_long_is_thrown_away(server: Server, run: Run) -> None:
    run.begin(CONTENT + OTHER)
    run(zoo_file(server.url('good')))
    assert run.is_done()
    assert ranges(server) == [f'bytes={len(CONTENT) + 5000}-', None]


def test_a_complete_partial_file_needs_no_server(server: Server, run: Run) -> None:
    run.begin(CONTENT)
    run(zoo_file(server.url('not_found')))
    assert run.is_done()
    assert not server.requests


REFUSED = {
    'corrupts': 'gives another file: its SHA-256 is ',
    'gives_nothing': 'ended after 0 of 307200 bytes',
    'announces_more': 'announces 307210 bytes, expected 307200',
    'announces_less': 'announces 307190 bytes, expected 307200',
    'redirects_to_file': "answers 302 .*Redirection to url 'file:///etc/hostname' is not allowed",
    'redirects_to_ftp': 'redirects to ftp://127.0.0.1/file, which is refused',
    'redirects_for_ever': 'answers 302 .*infinite loop',
    'not_found': 'answers 404 Not Found',
}


@pytest.mark.parametrize('behaviour', REFUSED)
def test_bad_mirror_is_told_and_the_next_one_serves(
    server: Server, run: Run, behaviour: str
) -> None:
    bad = server.url(behaviour)
    with pytest.raises(FileNotFoundError, match=f'{bad}: {REFUSED[behaviour]}'):
        run(zoo_file(bad))
    assert not run.target.exists()
    run(zoo_file(bad, server.url('good')))
    assert run.is_done()


def test_without_a_published_size_the_hash_decides(server: Server, run: Run) -> None:
    """Ten bytes too few are refused; all bytes and ten more announced are the whole file."""

    def file(behaviour: str) -> ZooFile:
        url = server.url(behaviour)
        return zoo_file(url, size=None, sha256=None, sha256_prefix=SHA256[:8])

    with pytest.raises(FileNotFoundError, match='announces_less: gives another file'):
        run(file('announces_less'))
    assert not run.target.exists()
    run(file('announces_more'))
    assert run.is_done()


def test_other_bytes_than_asked_for_are_not_appended(server: Server, run: Run) -> None:
    run.begin(CONTENT[:1000])
    with pytest.raises(FileNotFoundError, match=r'bytes 5-.*asked for bytes 1000-'):
        run(zoo_file(server.url('shifts_range')))
    assert run.part.read_bytes() == CONTENT[:1000]


def test_stalled_server_is_left(server: Server, run: Run) -> None:
    stalled = server.url('stalls')
    with pytest.raises(FileNotFoundError, match=f'{stalled}: sent nothing for 0.1 s'):
        run(zoo_file(stalled), timeout=0.1)
    run(zoo_file(stalled, server.url('good')), timeout=0.1)
    assert run.is_done()


def test_nobody_there_is_told_with_what_to_do(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    urls = ('http://127.0.0.1:9/a/w.pth', 'http://nowhere.invalid/w.pth')
    with pytest.raises(FileNotFoundError) as caught:
        run(zoo_file(*urls))
    text = str(caught.value)
    assert text.startswith('w.pth could not be downloaded')
    assert all(f'{url}: cannot be read: ' in text for url in urls)
    assert f'copy it to {run.target}' in text
    assert 'DTS_ZOO' in text


def test_prefix_alone_tells_a_good_file_from_a_bad_one(server: Server, run: Run) -> None:
    def file(prefix: str) -> ZooFile:
        return zoo_file(server.url('good'), size=None, sha256=None, sha256_prefix=prefix)

    with pytest.raises(FileNotFoundError, match=f'SHA-256 is {SHA256[:8]}, expected 00000000'):
        run(file('00000000'))
    run(file(SHA256[:8]))
    assert run.is_done()


def test_of_two_that_download_at_once_one_asks_the_server(server: Server, run: Run) -> None:
    threads = [threading.Thread(target=run, args=(zoo_file(server.url('good')),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert run.is_done()
    assert len(server.requests) == 1


def test_folder_that_cannot_be_written_is_named(server: Server, run: Run) -> None:
    run.target.parent.parent.joinpath('new').write_text('a file where a folder should be')
    with pytest.raises(ValueError, match=r'cannot write w.pth to .*new: .*DTS_ZOO'):
        run(zoo_file(server.url('good')))
