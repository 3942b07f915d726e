"""publish.py: a file that is small, plain, named by its hash, and known to the zoo."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import pytest
import torch
import yaml

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS.parent / 'tools/model_converters'))
sys.path.insert(0, str(TESTS / 'zoo'))

import publish
from indexes import use_index
from toy_files import CLASSES, write_run

import dts.zoo
from dts.evaluation.checkpoint_models import checkpoint_states
from dts.segmentor import decode_logits
from dts.zoo.weights import read_weights

COMMAND = 'python tools/train.py run.py'


@pytest.fixture
def run(tmp_path: Path):
    """Publish a toy run; return what was printed, the files and the networks."""
    config, checkpoint, networks = write_run(tmp_path)

    def publish_it(*options: str) -> tuple[Path, dict]:
        arguments = [config, checkpoint, '--name', 'toy_net', '--license', 'MIT']
        publish.main([*arguments, '--out-dir', str(tmp_path / 'zoo'), *options])
        (file,) = (tmp_path / 'zoo').glob('*.safetensors')
        return file, networks

    return publish_it


@pytest.mark.slow
def test_name_holds_the_hash_and_the_same_input_gives_the_same_file(run) -> None:
    file, _ = run()
    content = file.read_bytes()
    assert file.name == f'toy_net-{hashlib.sha256(content).hexdigest()[:8]}.safetensors'
    assert run()[0].read_bytes() == content  # and no second file, which would not unpack


def test_kernels_are_halved_and_vectors_are_not(run) -> None:
    file, networks = run('--model', 'teacher')
    tensors, meta = read_weights(file)
    state = networks['teacher'].state_dict()
    assert meta == {'dataset_meta': CLASSES}
    assert tensors.keys() == state.keys()
    for name, tensor in state.items():
        expected = tensor.half() if name.endswith('conv.weight') or tensor.ndim > 1 else tensor
        torch.testing.assert_close(tensors[name], expected, rtol=0, atol=0)
    assert tensors['backbone.norm.running_var'].dtype == torch.float32
    assert tensors['backbone.conv.weight'].dtype == torch.float16


def test_full_precision_on_request(run) -> None:
    file, networks = run('--full')
    state = dict(networks['student'].state_dict())
    torch.testing.assert_close(read_weights(file)[0], state, rtol=0, atol=0)


def test_values_beyond_half_precision_are_refused() -> None:
    fine = {'w': torch.full((1, 1), 65504.0), 'b': torch.full((1,), 1e30)}
    assert publish.compact(fine)['w'].item() == 65504.0
    with pytest.raises(ValueError, match='w holds values that half precision cannot'):
        publish.compact({'w': torch.full((1, 1), 70000.0)})


@torch.no_grad()
def test_printed_entry_makes_the_zoo_load_it(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, networks = run()
    entries = yaml.safe_load(capsys.readouterr().out)
    use_index(monkeypatch, tmp_path, *entries)
    loaded = dts.zoo.load('toy_net')
    assert loaded.dataset_meta == CLASSES
    images = torch.randn(1, 3, 16, 16)
    expected = decode_logits(networks['student'], images)
    torch.testing.assert_close(decode_logits(loaded, images), expected, rtol=1e-2, atol=1e-2)
    assert list(checkpoint_states(str(file))) == ['student']  # as tools/test.py reads it


def test_card_tells_what_it_is_and_what_it_scores(run, tmp_path: Path) -> None:
    metrics = tmp_path / 'test.json'
    metrics.write_text(json.dumps({'mIoU': 51.234, 'IoU.a': 60.0}))
    file, networks = run('--metrics', str(metrics), '--command', COMMAND)
    lines = file.with_suffix('.md').read_text().splitlines()
    num_parameters = sum(p.numel() for p in networks['student'].parameters())
    for line in (
        '# toy_net',
        f'| File | {file.name} |',
        '| Network | student of the run |',
        f'| Parameters | {num_parameters / 1e6:.2f} M |',
        '| Classes | a, b, c |',
        f'| Bytes | {file.stat().st_size} |',
        f'| SHA-256 | {hashlib.sha256(file.read_bytes()).hexdigest()} |',
        f'| Trained by | `{COMMAND}` |',
        '| mIoU | 51.23 |',
        '| IoU.a | 60.00 |',
    ):
        assert line in lines
    run()  # without scores
    assert 'metric' not in file.with_suffix('.md').read_text()


def test_names_that_are_no_file_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"--name '\.\./x': only letters"):
        publish.main(['c', 'f', '--name', '../x', '--license', 'MIT'])
