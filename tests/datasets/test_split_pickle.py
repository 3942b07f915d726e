"""Index pickles are read, other pickles are refused without running them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dts.datasets.split_pickle import read_index_pickle

INDICES = [3, 0, 300, 2]


def save(path: Path, content: object, protocol: int = 4) -> Path:
    """Pickle content to a file."""
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize('dtype', ['int64', 'int32', 'uint16', '>i4'])
def test_arrays_of_every_protocol_give_their_integers(
    tmp_path: Path, protocol: int, dtype: str
) -> None:
    path = save(tmp_path / 'a.pkl', np.array(INDICES, dtype=dtype), protocol)
    assert read_index_pickle(path) == INDICES


@pytest.mark.parametrize('core', [b'numpy.core.multiarray', b'numpy._core.multiarray'])
def test_arrays_of_either_numpy_generation_are_read(tmp_path: Path, core: bytes) -> None:
    path = tmp_path / 'a.pkl'
    written = pickle.dumps(np.array(INDICES), protocol=2)
    assert b'numpy.core.multiarray' in written or b'numpy._core.multiarray' in written
    for found in (b'numpy._core.multiarray', b'numpy.core.multiarray'):
        written = written.replace(found, core)
    path.write_bytes(written)
    assert read_index_pickle(path) == INDICES


def test_arrays_of_python_2_are_read(tmp_path: Path) -> None:
    # Python 2 writes the memory of an array as a byte string: here int16, 200 and 3.
    path = tmp_path / 'a.pkl'
    path.write_bytes(
        b'\x80\x02cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR'
        b'(K\x01K\x02\x85cnumpy\ndtype\n(U\x02i2K\x00K\x01tR(K\x03U\x01<NNN'
        b'J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x04\xc8\x00\x03\x00tb.'
    )
    assert read_index_pickle(path) == [200, 3]


def test_lists_of_integers_are_read(tmp_path: Path) -> None:
    assert read_index_pickle(save(tmp_path / 'a.pkl', INDICES)) == INDICES
    numbers = [np.int64(number) for number in INDICES]
    assert read_index_pickle(save(tmp_path / 'b.pkl', numbers)) == INDICES


class RunsOnLoad:
    """Object whose unpickling calls a function."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = (function, args)

    def __reduce__(self) -> Any:
        return self.call


def test_malicious_pickle_is_refused_and_does_not_run(tmp_path: Path) -> None:
    target = tmp_path / 'created'
    path = save(tmp_path / 'evil.pkl', RunsOnLoad(Path.touch, target))
    pickle.loads(path.read_bytes())  # the attack works on the stock reader
    assert target.exists()
    target.unlink()
    with pytest.raises(ValueError, match=r'evil\.pkl: this pickle asks for \S+; refused'):
        read_index_pickle(path)
    assert not target.exists()


def test_attack_hidden_in_an_array_is_refused(tmp_path: Path) -> None:
    target = tmp_path / 'created'
    array = np.array([1, RunsOnLoad(open, str(target), 'w')], dtype=object)
    path = save(tmp_path / 'evil.pkl', array)
    with pytest.raises(ValueError, match=r'asks for \S*open; refused'):
        read_index_pickle(path)
    assert not target.exists()


@pytest.mark.parametrize(
    ('module', 'name'),
    [
        ('os', 'system'),
        ('builtins', 'eval'),
        ('numpy', 'load'),
        ('numpy', 'core.multiarray._reconstruct'),
        ('numpy.core.multiarray', 'fromfile'),
        ('numpy.testing._private.utils', 'runstring'),
    ],
)
def test_every_other_global_is_refused(tmp_path: Path, module: str, name: str) -> None:
    path = tmp_path / 'evil.pkl'
    names = b''.join(b'\x8c' + bytes([len(text)]) + text.encode() for text in (module, name))
    path.write_bytes(b'\x80\x04' + names + b'\x93.')  # STACK_GLOBAL
    with pytest.raises(ValueError, match=f'asks for {module}.{name}; refused'):
        read_index_pickle(path)


def test_encode_admits_latin1_only(tmp_path: Path) -> None:
    path = tmp_path / 'evil.pkl'
    path.write_bytes(b'c_codecs\nencode\n(VYWJj\nVrot13\ntR.')
    with pytest.raises(ValueError, match=r'_codecs\.encode.*refused'):
        read_index_pickle(path)


@pytest.mark.parametrize('content', [b'', b'\x80\x04', b'no pickle at all', b'\x80\x04]K\x01'])
def test_damaged_pickles_say_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / 'a.pkl'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r'a\.pkl: damaged pickle'):
        read_index_pickle(path)


@pytest.mark.parametrize(
    ('content', 'found'),
    [
        (np.zeros((2, 2), int), r'array of shape \(2, 2\) and type int64'),
        (np.zeros(2), r'array of shape \(2,\) and type float64'),
        (['2007_000032'], 'list'),
        ([True, False], 'list'),
        ({'labeled': [1]}, 'dict'),
    ],
)
def test_other_contents_are_named(tmp_path: Path, content: object, found: str) -> None:
    with pytest.raises(ValueError, match=f'holds a {found}, expected'):
        read_index_pickle(save(tmp_path / 'a.pkl', content))
