"""import_uda.py: a published file becomes one that MMSeg loads, or is refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmseg.apis import init_model

from published_layout import tiny_config, tiny_network, trainer_file

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools/model_converters'))

import import_uda

from dts.segmentor import decode_logits

NAMES = ('road', 'sidewalk', 'sky')


@pytest.fixture
def published(tmp_path: Path) -> dict[str, Any]:
    """A file of a small HRDA for three classes, its networks, and the config."""
    networks = dict(student=tiny_network('hrda', 3), teacher=tiny_network('hrda', 3))
    meta = dict(CLASSES=NAMES, PALETTE=[[0, 0, 1], [0, 0, 2], [0, 0, 3]], mmseg_version='0.16.0')
    optimizer = dict(state={}, param_groups=[])
    file = dict(meta=meta, state_dict=trainer_file('hrda', **networks), optimizer=optimizer)
    torch.save(file, tmp_path / 'published.pth')
    # As in the base config: 19 classes, which the file overrules.
    Config(dict(model=tiny_config('hrda', 19))).dump(tmp_path / 'tiny.py')
    return dict(networks, root=tmp_path, config=str(tmp_path / 'tiny.py'))


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize('model', ['student', 'teacher'])
def test_mmseg_loads_what_was_imported(
    published: dict[str, Any], model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = published['root'] / 'published.pth', published['root'] / 'out/ours.pth'
    options = [] if model == 'student' else ['--model', model]
    import_uda.main(
        [str(source), str(out), '--arch', 'mic', '--config', published['config'], *options]
    )
    num_tensors = len(published[model].state_dict())
    assert f'{num_tensors} tensors of the {model}, 3 classes' in capsys.readouterr().out
    assert set(torch.load(out, weights_only=True)) == {'meta', 'state_dict'}

    config = Config.fromfile(published['config'])
    config.model.decode_head.num_classes = 3
    loaded = init_model(config, str(out), device='cpu')
    assert loaded.dataset_meta['classes'] == list(NAMES)
    assert loaded.dataset_meta['palette'][2] == [0, 0, 3]
    images = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(
        decode_logits(loaded, images), decode_logits(published[model], images), rtol=0, atol=0
    )


@pytest.mark.slow
def test_other_networks_are_refused_and_nothing_is_written(published: dict[str, Any]) -> None:
    out = published['root'] / 'ours.pth'
    source = published['root'] / 'published.pth'
    config = Config.fromfile(published['config'])
    config.model.backbone.num_layers = [1, 1, 2, 1]
    config.dump(published['root'] / 'other.py')
    arguments = [str(source), str(out), '--arch', 'hrda', '--config']
    with pytest.raises(ValueError, match=r'unknown to the network: backbone\.layers\.1\.1\.1\.'):
        import_uda.main([*arguments, str(published['root'] / 'other.py')])
    assert not out.exists()


class Stranger:
    """An object that a published file has no business to bring."""


@pytest.mark.slow
def test_objects_in_a_file_are_not_unpickled(
    published: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv('DTS_TRUST_CHECKPOINT', raising=False)
    source = published['root'] / 'published.pth'
    torch.save(dict(state_dict={}, meta=Stranger()), source)
    with pytest.raises(ValueError, match='holds pickled Python objects'):
        import_uda.main([str(source), str(published['root'] / 'ours.pth'), '--arch', 'hrda'])


@pytest.mark.slow
def test_files_without_a_head_are_refused(published: dict[str, Any]) -> None:
    source = published['root'] / 'backbone.pth'
    torch.save({'backbone.norm1.weight': torch.zeros(4)}, source)
    with pytest.raises(ValueError, match=r'backbone\.pth holds no decode head'):
        import_uda.main([str(source), str(published['root'] / 'ours.pth'), '--arch', 'daformer'])


def test_base_models_of_all_architectures_are_there() -> None:
    for name in import_uda.ARCHITECTURES.values():
        assert (import_uda.MODEL_FILES / f'{name}.py').is_file()
