"""publish.py: a file that is small, plain, named by its hash, and known to the zoo."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from mmengine.config import Config

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS.parent / 'tools/model_converters'))
sys.path.insert(0, str(TESTS / 'zoo'))

import publish
from indexes import use_index
from toy_files import CLASSES, PIPELINE, write_run

import dts.zoo
from dts.evaluation.checkpoint_models import checkpoint_states
from dts.registry import MODELS
from dts.segmentor import decode_logits
from dts.zoo.weights import read_weights
from runs import small_segformer
from toy_run import toy_runner
from toys import toy_segmentor_config

STOCK_ENVIRONMENT = {**os.environ, 'PYTHONPATH': ''}
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


# Stock MMSegmentation, without this package. An mmcv without compiled operations needs a stand-in.
STOCK = """
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
import torch
try:
    import mmcv._ext
except ImportError:
    class Missing(ModuleType):
        def __getattr__(self, name):
            if name.startswith('__'):
                raise AttributeError(name)
            return lambda *args: None
    sys.modules['mmcv._ext'] = Missing('mmcv._ext')
    sys.modules['mmcv._ext'].__spec__ = ModuleSpec('mmcv._ext', loader=None)
from mmseg.apis import init_model
from safetensors.torch import load_file
config, file, images, scores = sys.argv[1:]
model = init_model(config, device='cpu')
model.load_state_dict(load_file(file), strict=True)
with torch.no_grad():
    torch.save(model(torch.load(images)), scores)
assert not [name for name in sys.modules if name.partition('.')[0] == 'dts']
"""


@pytest.mark.slow
def test_a_distilled_student_is_a_network_of_stock_mmseg(tmp_path: Path) -> None:
    """Trained beside a teacher and an adapter, published, and opened without this package."""
    student = small_segformer()
    student.data_preprocessor.pop('size_divisor', None)
    student.data_preprocessor.size = (32, 32)
    teacher = toy_segmentor_config(channels=12)
    torch.save(MODELS.build(teacher).state_dict(), tmp_path / 'teacher.pth')
    features = dict(
        student='backbone',
        student_index=0,
        teacher='backbone',
        teacher_index=0,
        adapter=dict(type='dts.ConvAdapter', in_channels=8, out_channels=12),
        loss=dict(type='dts.FeatureMSE'),
    )
    model = dict(type='dts.Distillation', student=student, distill=[features])
    named = dict(teacher=dict(config=teacher, checkpoint=str(tmp_path / 'teacher.pth')))
    hook = dict(type='dts.FrozenTeacherHook', teachers=named)
    runner = toy_runner(
        tmp_path, iterations=2, model=dict(_delete_=True, **model), custom_hooks=[hook]
    )
    runner.train()
    config = Config(dict(model=model, test_pipeline=PIPELINE), format_python_code=False)
    config.dump(tmp_path / 'run.py')
    paths = [str(tmp_path / 'run.py'), str(tmp_path / 'iter_2.pth')]
    options = ['--name', 'distilled', '--license', 'MIT', '--full', '--out-dir', str(tmp_path)]
    publish.main([*paths, *options])
    (file,) = tmp_path.glob('*.safetensors')

    stock = dict(model=student, test_pipeline=PIPELINE, default_scope='mmseg')
    stock['test_dataloader'] = dict(dataset=dict(metainfo=CLASSES))
    Config(stock, format_python_code=False).dump(tmp_path / 'stock.py')
    (tmp_path / 'open.py').write_text(STOCK)
    images = torch.randn(1, 3, 32, 32)
    torch.save(images, tmp_path / 'images.pt')
    names = ('open.py', 'stock.py', file.name, 'images.pt', 'scores.pt')
    subprocess.run([sys.executable, *names], cwd=tmp_path, env=STOCK_ENVIRONMENT, check=True)
    expected = runner.model.student.eval()(images)
    torch.testing.assert_close(torch.load(tmp_path / 'scores.pt'), expected, rtol=0, atol=1e-6)


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
