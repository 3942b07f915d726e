"""Rules of the repository that a machine can keep."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAX_LINES = 300
MAX_BYTES = 1_000_000
SHIPPED = ROOT / 'dts/zoo/weights'  # the exception, whose limits tests/zoo/test_shipped.py keeps


def tracked() -> list[Path]:
    """Files that git tracks, or all files of the source folders in a copy without git."""
    listed = subprocess.run(
        ['git', 'ls-files'], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode == 0 and listed.stdout:
        return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
    folders = ('dts', 'tools', 'tests', 'configs', 'data')
    return [p for name in folders for p in (ROOT / name).rglob('*') if p.is_file()]


SOURCES = sorted((ROOT / 'dts').rglob('*.py'))
# Spelled in parts, so that this file does not hold what it forbids.
MACHINE_PATH = re.compile('/(' + '|'.join(['ro' + 'ot', 'ho' + 'me', 'wo' + 'rk']) + ')/')
SCRATCH_PATH = re.compile('/tm' + 'p/')  # fine in the commands of a document


def test_no_path_of_a_machine_in_any_text():
    texts = [p for p in tracked() if p.suffix in {'.py', '.md', '.sh', '.yml', '.toml', '.txt'}]
    wrong = [
        f'{path.relative_to(ROOT)}:{number}'
        for path in texts
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if MACHINE_PATH.search(line) or (path.suffix != '.md' and SCRATCH_PATH.search(line))
    ]
    assert not wrong


def test_no_build_products_images_or_large_files_are_tracked():
    forbidden = {'.pyc', '.so', '.pth', '.pt', '.npy', '.egg-info'}
    assert not [p for p in tracked() if p.suffix in forbidden]
    small = [p for p in tracked() if p.parent != SHIPPED]
    assert not [p for p in small if p.stat().st_size > MAX_BYTES]
    assert not [p for p in tracked() if 'work_dirs' in p.relative_to(ROOT).parts]


@pytest.mark.slow
@pytest.mark.parametrize('path', SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_source_keeps_the_house_rules(path):
    text = path.read_text()
    assert text.isascii()
    assert len(text.splitlines()) <= MAX_LINES
    assert '.cuda(' not in text
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    assert not [call for call in calls if getattr(call.func, 'id', '') == 'print']
    assert path.stem not in {'utils', 'misc', 'common', 'helpers'}


# Parts of a training step: they run on the device, without a copy from the host in each step.
STEP_FOLDERS = ('losses', 'methods', 'mixing', 'models', 'targets')
FROM_HOST = ('torch.tensor', 'torch.as_tensor', 'torch.from_numpy', '.new_tensor')


def copies_from_host(node: ast.AST) -> Iterator[str]:
    """Calls outside of constructors that make a tensor of values of the host."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef) and child.name == '__init__':
            continue
        if isinstance(child, ast.Call) and ast.unparse(child.func).endswith(FROM_HOST):
            yield f'line {child.lineno}: {ast.unparse(child.func)}'
        yield from copies_from_host(child)


@pytest.mark.parametrize('folder', STEP_FOLDERS)
def test_no_step_copies_values_from_the_host(folder):
    paths = sorted((ROOT / 'dts' / folder).rglob('*.py'))
    assert paths
    found = {p.name: [*copies_from_host(ast.parse(p.read_text()))] for p in paths}
    assert not {name: calls for name, calls in found.items() if calls}


def documented(text: str) -> list[tuple[str, list[str], str]]:
    """Name, parameters and docstring of every public function, method and class."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef) and not node.name.startswith('_'):
            found.append((node.name, init_parameters(node), ast.get_docstring(node) or ''))
            for item in node.body:
                if isinstance(item, ast.FunctionDef) and not item.name.startswith('_'):
                    decorators = {getattr(d, 'id', '') for d in item.decorator_list}
                    if 'property' not in decorators:
                        name = f'{node.name}.{item.name}'
                        found.append((name, parameters(item), ast.get_docstring(item) or ''))
    functions = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    return found + [
        (node.name, parameters(node), ast.get_docstring(node) or '')
        for node in functions
        if not node.name.startswith('_')
    ]


def init_parameters(node: ast.ClassDef) -> list[str]:
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == '__init__':
            return parameters(item)
    return []


def parameters(node: ast.FunctionDef) -> list[str]:
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return [a.arg for a in arguments if a.arg not in {'self', 'cls'} and a.arg[0] != '_']


# Parts of the toy city's renderer call each other alone: one line says what each draws.
RENDERER = {f'toy_city_{part}' for part in ('canvas', 'looks', 'objects', 'photo', 'render')}
DOCUMENTED = [path for path in SOURCES if path.stem not in RENDERER]


@pytest.mark.slow
@pytest.mark.parametrize('path', DOCUMENTED, ids=lambda path: str(path.relative_to(ROOT)))
def test_docstrings_name_every_parameter(path):
    missing = [
        f'{name}: {parameter}'
        for name, names, docstring in documented(path.read_text())
        for parameter in names
        if not re.search(rf'^\s+\*{{0,2}}{parameter}:', docstring, flags=re.MULTILINE)
    ]
    assert not missing


SCRIPTS = sorted([*(ROOT / 'tools').rglob('*.py'), *(ROOT / 'demo').rglob('*.py')])


@pytest.mark.parametrize('path', SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_scripts_import_dts_before_what_asks_for_compiled_operations(path):
    # mmseg.models and mmseg.apis import mmcv.ops, which dts replaces where there is mmcv-lite alone
    first: dict[str, int] = {}
    for node in ast.parse(path.read_text()).body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ''] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            first.setdefault(name.split('.')[0], node.lineno)
            first.setdefault('.'.join(name.split('.')[:2]), node.lineno)
    needy = [first[name] for name in ('mmseg.models', 'mmseg.apis') if name in first]
    assert not needy or first.get('dts', 10**6) < min(needy)


IMPORT_WATCH = """
import sys, traceback

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in ('torchvision', 'timm'):
            files = [frame.filename for frame in traceback.extract_stack()]
            frames = [file for file in files if 'importlib' not in file]
            print('asked', name, frames[-2], file=sys.stderr)
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Watch())
"""


def optional_imports(code: str) -> list[str]:
    """Files that ask for torchvision or timm, even inside a ``try``, while both are absent."""
    result = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', IMPORT_WATCH + code],
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return re.findall(r'^asked \S+ (.+)$', result.stderr, flags=re.MULTILINE)


@pytest.mark.slow
def test_importing_the_package_needs_neither_torchvision_nor_timm():
    code = "import dts; print('asked for', 'dts.all', file=sys.stderr); import dts.all"
    first, *asked = optional_imports(code)
    assert first == 'dts.all'
    # mmseg itself looks for timm, so that its TIMMBackbone works.
    assert [Path(file).name for file in asked] == ['timm_backbone.py']
