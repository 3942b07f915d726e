from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from dts.checkpoints.find import check_resumable, check_whole, find_newest_checkpoint


def _write(path: Path, iteration: int, age_s: float = 0.0, **changes: Any) -> Path:
    """Write a checkpoint of a few hundred bytes of tensors, ``age_s`` seconds old."""
    content = dict(
        meta=dict(iter=iteration),
        state_dict=dict(w=torch.full((64,), float(iteration))),
        message_hub={},
        optimizer={},
        dts={},
    )
    torch.save(content | changes, path)
    written_ns = 10**18 - int(age_s * 1e9)
    os.utime(path, ns=(written_ns, written_ns))
    return path


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Lines that the search logs."""
    lines: list[str] = []
    monkeypatch.setattr('dts.checkpoints.find.print_log', lambda text, **_: lines.append(text))
    return lines


def test_nothing_to_find(tmp_path: Path) -> None:
    assert find_newest_checkpoint(tmp_path) is None
    assert find_newest_checkpoint(tmp_path / 'no_such_folder') is None


def test_newest_is_the_last_written_not_the_highest_number(tmp_path: Path) -> None:
    _write(tmp_path / 'iter_900.pth', 900, age_s=60)  # of an earlier, longer run
    newest = _write(tmp_path / 'iter_200.pth', 200, age_s=1)
    _write(tmp_path / 'iter_100.pth', 100, age_s=2)
    assert find_newest_checkpoint(str(tmp_path)) == newest


def test_numbers_decide_between_equal_times_as_numbers(tmp_path: Path) -> None:
    _write(tmp_path / 'iter_90.pth', 90)
    newest = _write(tmp_path / 'iter_100.pth', 100)  # sorts before iter_90 as text
    assert find_newest_checkpoint(tmp_path) == newest


def test_only_files_of_the_run_count(tmp_path: Path) -> None:
    whole = _write(tmp_path / 'iter_1.pth', 1, age_s=9)
    for name in ('iter_2-0123abcd.pth', 'best_student_mIoU_iter_2.pth', '.iter_2.pth.7.dts-tmp'):
        _write(tmp_path / name, 2)
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'iter_2.pth'))
    assert find_newest_checkpoint(tmp_path) == whole


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _empty(path: Path) -> None:
    path.write_bytes(b'')


def _flip_weight(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(torch.full((64,), 300.0).numpy().tobytes())] ^= 1
    path.write_bytes(content)


def _flag_as_encrypted(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.rindex(b'PK\x01\x02') + 8] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize('damage', [_truncate, _empty, _flip_weight, _flag_as_encrypted])
def test_damaged_file_is_passed_over_and_named(
    tmp_path: Path, log: list[str], damage: Callable[[Path], None]
) -> None:
    whole = _write(tmp_path / 'iter_200.pth', 200, age_s=9)
    torn = _write(tmp_path / 'iter_300.pth', 300)
    damage(torn)
    assert find_newest_checkpoint(tmp_path) == whole
    assert len(log) == 1
    assert log[0].startswith(f'Passed over: {torn} is not a whole checkpoint (')


def test_weight_damage_is_invisible_to_torch(tmp_path: Path) -> None:
    # Why check sums are verified here: torch reads the flipped bit without a word.
    path = _write(tmp_path / 'iter_300.pth', 300)
    _flip_weight(path)
    assert torch.load(path)['state_dict']['w'][0] != 300.0


def test_file_cut_anywhere_is_torn(tmp_path: Path) -> None:
    content = _write(tmp_path / 'iter_1.pth', 1).read_bytes()
    cut = tmp_path / 'cut.pth'
    for length in range(0, len(content), 23):
        cut.write_bytes(content[:length])
        with pytest.raises(ValueError, match='is not a whole checkpoint'):
            check_whole(cut)


def test_bit_flip_anywhere_is_caught_or_harmless(tmp_path: Path) -> None:
    path = _write(tmp_path / 'iter_1.pth', 1)
    content = path.read_bytes()
    expected = torch.load(path)
    flipped = tmp_path / 'flipped.pth'
    num_caught = 0
    for position in random.Random(0).sample(range(len(content)), 200):
        flipped.write_bytes(
            content[:position] + bytes([content[position] ^ 4]) + content[position + 1 :]
        )
        try:
            found = check_whole(flipped)
        except ValueError:
            num_caught += 1
            continue
        # Padding and time stamps of the archive.
        assert found['meta'] == expected['meta'], position
        assert torch.equal(found['state_dict']['w'], expected['state_dict']['w']), position
    assert num_caught > 50


def test_check_returns_what_is_in_the_file(tmp_path: Path) -> None:
    content = check_whole(_write(tmp_path / 'iter_5.pth', 5))
    assert content['meta'] == {'iter': 5}
    assert torch.equal(content['state_dict']['w'], torch.full((64,), 5.0))


class _Code:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.folder),)


def test_code_in_a_file_is_refused_and_does_not_run(tmp_path: Path, log: list[str]) -> None:
    proof = tmp_path / 'code_ran'
    path = _write(tmp_path / 'iter_1.pth', 1, optimizer=_Code(proof))
    with pytest.raises(ValueError, match=r'iter_1\.pth is not a plain checkpoint'):
        check_whole(path)
    assert find_newest_checkpoint(tmp_path) is None
    assert not proof.exists()
    torch.load(path, weights_only=False)
    assert proof.exists()  # the file would have done it


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'iter_1\.pth is not there'):
        check_whole(tmp_path / 'iter_1.pth')


def test_whole_file_without_a_run_cannot_be_resumed(tmp_path: Path, log: list[str]) -> None:
    path = tmp_path / 'iter_1.pth'
    torch.save(dict(meta={}, state_dict={}), path)
    check_whole(path)
    with pytest.raises(ValueError, match=r'it lacks: message_hub, optimizer, dts.*load_from=FILE'):
        check_resumable(path)
    assert find_newest_checkpoint(tmp_path) is None
    assert str(path) in log[0]


def test_bare_tensor_is_no_checkpoint(tmp_path: Path) -> None:
    torch.save(torch.ones(1), tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='holds a Tensor'):
        check_whole(tmp_path / 'a.pth')
