from __future__ import annotations

import ctypes
import errno
import os
import resource
from pathlib import Path

import pytest
from mmengine.fileio import get_file_backend

from dts.checkpoints.atomic import remove_temporary_files, write_atomically


def test_backend_is_registered_and_replaces_content(tmp_path: Path) -> None:
    backend = get_file_backend(backend_args={'backend': 'dts.atomic'})
    path = tmp_path / 'new' / 'iter_1.pth'
    backend.put(b'old', path)
    backend.put(b'newer', str(path))
    backend.put_text('zoë', tmp_path / 'last_checkpoint')
    assert path.read_bytes() == b'newer'
    assert (tmp_path / 'last_checkpoint').read_bytes() == b'zo\xc3\xab'
    assert [p.name for p in path.parent.iterdir()] == ['iter_1.pth']


def test_permissions_are_those_of_an_ordinary_file(tmp_path: Path) -> None:
    (tmp_path / 'ordinary').write_bytes(b'')
    write_atomically(tmp_path / 'atomic', b'')
    modes = [(tmp_path / name).stat().st_mode for name in ('ordinary', 'atomic')]
    assert modes[0] == modes[1]


def test_content_is_on_disk_before_the_name_and_the_name_before_the_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The order is what survives a power cut, and what no other test can see.
    events: list[str] = []
    fsync, replace = os.fsync, os.replace

    def logged_fsync(descriptor: int) -> None:
        target = os.readlink(f'/proc/self/fd/{descriptor}')
        events.append('folder' if target == str(tmp_path) else f'{os.path.getsize(target)} bytes')
        fsync(descriptor)

    def logged_replace(source: Path, target: Path) -> None:
        events.append('rename')
        replace(source, target)

    monkeypatch.setattr(os, 'fsync', logged_fsync)
    monkeypatch.setattr(os, 'replace', logged_replace)
    write_atomically(tmp_path / 'a', b'12345')
    assert events == ['5 bytes', 'rename', 'folder']


@pytest.mark.parametrize('broken', ['fsync', 'replace'])
def test_failed_write_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    path = tmp_path / 'iter_1.pth'
    path.write_bytes(b'old')

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(os, broken, fail)
    with pytest.raises(OSError, match=r'iter_1\.pth needs 2\.0 MiB, [\d.]+ MiB are free') as caught:
        write_atomically(path, bytes(2**21))
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(path)
    assert 'No space left' in str(caught.value)
    assert '--resume' in str(caught.value)
    assert path.read_bytes() == b'old'
    assert list(tmp_path.iterdir()) == [path]


def test_interrupted_write_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / 'a'
    path.write_bytes(b'old')

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, 'fsync', interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b'new')
    assert path.read_bytes() == b'old'
    assert list(tmp_path.iterdir()) == [path]


def test_write_that_stops_half_way_keeps_the_old_file(tmp_path: Path) -> None:
    # A real partial write: the kernel takes 64 KiB of this file and refuses the rest.
    path = tmp_path / 'iter_1.pth'
    path.write_bytes(b'old')
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, hard))
    try:
        with pytest.raises(OSError, match='File too large') as caught:
            write_atomically(path, bytes(2**20))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.errno == errno.EFBIG
    assert path.read_bytes() == b'old'
    assert list(tmp_path.iterdir()) == [path]


def _mount_tiny_disk(folder: Path) -> None:
    """Mount a disk of 1 MiB that only this process sees; needs user namespaces, not root."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    clone_newns, clone_newuser = 0x00020000, 0x10000000
    if libc.unshare(clone_newns | clone_newuser):
        raise OSError(ctypes.get_errno(), 'unshare')
    Path('/proc/self/setgroups').write_text('deny')
    Path('/proc/self/uid_map').write_text(f'0 {user} 1')
    Path('/proc/self/gid_map').write_text(f'0 {group} 1')
    if libc.mount(b'tmpfs', str(folder).encode(), b'tmpfs', 0, b'size=1m'):
        raise OSError(ctypes.get_errno(), 'mount')


def _fill_tiny_disk(folder: Path) -> str:
    """Write 0.6 MiB, then as much again; say what became of it."""
    try:
        _mount_tiny_disk(folder)
    except (OSError, AttributeError) as error:
        return f'cannot mount: {error}'
    path = folder / 'iter_1.pth'
    write_atomically(path, b'1' * 600_000)
    try:
        write_atomically(path, b'2' * 600_000)
    except OSError as error:
        is_old = path.read_bytes() == b'1' * 600_000
        return f'old={is_old} files={os.listdir(folder)} {error}'
    return 'no error'


def test_full_disk_keeps_the_old_file(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(write_end, _fill_tiny_disk(tmp_path).encode())
        finally:
            os._exit(0)
    os.close(write_end)
    os.waitpid(pid, 0)
    result = os.read(read_end, 2**16).decode()
    os.close(read_end)
    if result.startswith('cannot mount'):
        pytest.skip(result)
    assert result.startswith("old=True files=['iter_1.pth'] [Errno 28] No space left on device: ")
    assert 'iter_1.pth needs 0.6 MiB, 0.4 MiB are free in' in result


def test_leftovers_of_killed_runs_are_removed(tmp_path: Path) -> None:
    mine = ['iter_1.pth', '.hidden', 'notes.tmp', '.iter_1.pth.tmp']
    for name in [*mine, '.iter_2.pth.123.dts-tmp', '.best_a_iter_2.pth.9.dts-tmp']:
        (tmp_path / name).write_bytes(b'')
    removed = remove_temporary_files(tmp_path)
    assert [p.name for p in removed] == ['.best_a_iter_2.pth.9.dts-tmp', '.iter_2.pth.123.dts-tmp']
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(mine)


def test_leftovers_are_recognized_by_the_name_that_writing_uses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, 'replace', lambda *_: None)  # as if killed before the rename
    write_atomically(tmp_path / 'iter_1.pth', b'new')
    (leftover,) = tmp_path.iterdir()
    assert remove_temporary_files(tmp_path) == [leftover]
    assert list(tmp_path.iterdir()) == []
