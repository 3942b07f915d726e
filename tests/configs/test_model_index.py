"""model-index.yml and the metafiles: OpenMMLab's schema, real configs, and scores as measured."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from mmengine.config.utils import _get_cfg_metainfo

ROOT = Path(__file__).parents[2]
METAFILES = sorted((ROOT / 'configs').glob('*/metafile.yml'))
MODEL_KEYS = {'Name', 'In Collection', 'Config', 'Metadata', 'Results', 'Weights'}
METADATA = {'Training Data': str, 'Batch Size': int, 'Iterations': int, 'Architecture': list}


def read(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text())


MODELS = [
    pytest.param(model, id=f'{path.parent.name}/{model["Name"]}')
    for path in METAFILES
    for model in read(path)['Models']
]
RESULTS = [
    pytest.param(model, result, id=f'{model["Name"]}, {result["Dataset"]}')
    for path in METAFILES
    for model in read(path)['Models']
    for result in model.get('Results', ())
]


def test_index_imports_every_metafile() -> None:
    index = read(ROOT / 'model-index.yml')
    assert set(index) == {'Import'}
    assert index['Import'] == [str(path.relative_to(ROOT)) for path in METAFILES]


@pytest.mark.parametrize('path', METAFILES, ids=lambda path: path.parent.name)
def test_collections_name_readme_and_paper(path: Path) -> None:
    content = read(path)
    assert set(content) == {'Collections', 'Models'}
    (collection,) = content['Collections']
    assert collection['README'] == str((path.parent / 'README.md').relative_to(ROOT))
    assert (ROOT / collection['README']).is_file()
    if path.parent.name != 'supervised':
        assert collection['Paper']['Title']
        assert re.match(r'https://arxiv\.org/abs/\d{4}\.\d{5}$', collection['Paper']['URL'])
    assert {model['In Collection'] for model in content['Models']} == {collection['Name']}


def test_names_are_unique() -> None:
    names = [model.values[0]['Name'] for model in MODELS]
    collections = [read(path)['Collections'][0]['Name'] for path in METAFILES]
    assert len(set(names)) == len(names) > 50
    assert len(set(collections)) == len(collections)


@pytest.mark.parametrize('model', MODELS)
def test_model_is_a_config_and_says_what_its_name_says(model: dict[str, Any]) -> None:
    assert set(model) <= MODEL_KEYS
    config = ROOT / model['Config']
    assert config.is_file()
    assert config.stem == model['Name']
    metadata = model['Metadata']
    assert {key: type(value) for key, value in metadata.items()} == METADATA
    gpus, batch, length = re.search(r'_(\d+)xb(\d+)-(\d+k?)_', model['Name']).groups()
    assert metadata['Batch Size'] == int(gpus) * int(batch)
    assert metadata['Iterations'] == int(length.replace('k', '000'))


def measured(model: dict[str, Any], dataset: str, metric: str) -> set[float]:
    """The mean that a README gives a config as it stands, on the split that a data set ends with.

    A table file (table_*.yml) says which row of which README a config fills.
    """
    found = set()
    for path in (ROOT / 'configs').glob('*/table_*.yml'):
        table = read(path)
        if 'train_cfg.max_iters' in table.get('options', {}):
            continue  # shorter runs than the config's
        rows = [
            row['name']
            for row in table['rows']
            if row['config'] == model['Config'] and 'options' not in row
        ]
        splits = [s['name'] for s in table['splits'] if dataset.endswith(f' {s["name"]}')]
        text = (ROOT / table['readme']).read_text()
        block = re.search(rf'<!-- table: {table["name"]} -->(.*?)<!-- /table -->', text, re.DOTALL)
        lines = [line.strip('| ').split(' | ') for line in block[1].splitlines() if line[:1] == '|']
        header = lines[0] if lines else []
        for cells in lines[2:]:
            if cells[0] == 'method':  # the next table
                break
            if cells[0] in rows and cells[1] == metric:
                found |= {float(cells[header.index(split)].split(' +- ')[0]) for split in splits}
    return found


@pytest.mark.parametrize(('model', 'result'), RESULTS)
def test_results_are_what_the_readme_measured(
    model: dict[str, Any], result: dict[str, Any]
) -> None:
    assert set(result) == {'Task', 'Dataset', 'Metrics'}
    assert result['Task'] == 'Semantic Segmentation'
    for metric, value in result['Metrics'].items():
        assert measured(model, result['Dataset'], metric) == {value}


def test_there_are_results() -> None:
    assert len(RESULTS) >= 4


def test_mmengine_finds_a_config_by_its_name(tmp_path: Path) -> None:
    (tmp_path / '.mim').symlink_to(ROOT)
    name = 'mean_teacher/mean-teacher_fpn_lite0_1xb4-800_camvid-1_32-224x288.py'
    found = _get_cfg_metainfo(str(tmp_path), name)
    assert found['Config'] == f'configs/{name}'
    assert found['Results'][0]['Metrics']['student/mIoU'] > 0
