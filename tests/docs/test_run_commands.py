"""Commands of the documents are run: those on a user's own images here, at the scale of a toy.

The project is a folder of a user: tools and configs of the repository, images of their own.
Commands run as they stand, one after the other, on what the ones before left. Two entries of the
configs are smaller: the size of the images, and the number of steps, which names of checkpoints
follow.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from command_lines import DOCUMENTS, ROOT, commands
from forked import run_script

CONFIG = 'configs/mean_teacher/mean-teacher_fpn_lite0_1xb4-800_folder-384x384.py'
DUAL_TEACHER = 'configs/dual_teacher/dual-teacher_fpn_lite0_1xb4-800_folder-384x384.py'
STEPS = 2
SMALLER = {
    'configs/_base_/datasets/folder.py': {'(512, 512)': '(64, 64)', '(384, 384)': '(32, 32)'},
    CONFIG: {'val_interval=200': f'max_iters={STEPS}, val_interval=1'},
    DUAL_TEACHER: {'val_interval=200': f'max_iters={STEPS}, val_interval=1'},
}
FEWER = {'tools/dataset_converters/toy_city.py': ['--num-train', '2', '--num-val', '1']}
STAND_INS = {
    'CONFIG': CONFIG,
    'CHECKPOINT': f'work_dirs/mine/iter_{STEPS}.pth',
    'OUT_FOLDER': 'work_dirs/labels',
    'IMAGE': 'photo.jpg',
    'WORK_DIR': 'work_dirs/mine',
    '[WORK_DIR': 'work_dirs/baseline',
}
# The sections on own images, in the order in which a user reads them, and what they leave.
SECTIONS = {
    'README.md': ('## Train on your own images', '## Models and weights'),
    'docs/own_data.md': ('## 1. Lay the files out', '## What it took us'),
    'docs/watch.md': ('## One HTML file', '## Weights and Biases'),
    'data/toy_city.md': ('Or ahead of time:', 'The images are the same'),
}
LEFT = {
    'README.md': [
        'work_dirs/browse/*.png',
        f'work_dirs/mine/iter_{STEPS}.pth',
        'work_dirs/mine/pictures/student/*.png',
        'work_dirs/mine/pictures/teacher/*.png',
        'work_dirs/mine/report.html',
        'model.onnx',
        'work_dirs/labels/photo*.png',
    ],
    'docs/own_data.md': [
        'data/my_images/splits/**/labeled.txt',
        'work_dirs/baseline/report.html',
        'work_dirs/mine/photos/photo.*',
        'work_dirs/mine/student.pth',
        'work_dirs/mine/onnx/photo*.png',
        'work_dirs/next/*.csv',
    ],
    'docs/watch.md': ['curves.png', f'work_dirs/{Path(CONFIG).stem}/report.html'],
    'data/toy_city.md': ['data/toy_city/**/*.png'],
}
# Tools whose commands need more than that: which tests run them, and on what.
ELSEWHERE = {
    'bash tools/dist_test.sh': 'tests/tools/test_train_test_cli.py',
    'bash tools/dist_train.sh': 'tests/docs/test_commands.py',
    'bash tools/slurm_train.sh': 'tests/tools/test_train_test_cli.py',
    'make': 'tests/docs/test_commands.py',
    'tools/analysis_tools/benchmark_step.py': 'tests/tools/test_benchmark_step.py',
    'tools/analysis_tools/doctor.py': 'tests/tools/test_doctor.py',
    'tools/analysis_tools/kd_explain.py': 'tests/tools/test_kd_explain.py',
    'tools/analysis_tools/plot_coupling.py': 'tests/tools/test_plot_coupling.py',
    'tools/benchmarks/plot_target_share.py': 'tests/tools/test_plot_target_share.py',
    'tools/benchmarks/run_table.py': 'tests/tools/test_run_table.py',
    'tools/dataset_converters/camvid.py': 'tests/tools/test_camvid_converter.py',
    'tools/dataset_converters/check_splits.py': 'tests/tools/test_check_splits.py',
    'tools/dataset_converters/cityscapes.py': 'tests/tools/test_cityscapes_converter.py',
    'tools/dataset_converters/coco_semi.py': 'tests/tools/test_coco_semi.py',
    'tools/dataset_converters/coco_stuff10k.py': 'tests/tools/test_coco_stuff_converters.py',
    'tools/dataset_converters/coco_stuff164k.py': 'tests/tools/test_coco_stuff_converters.py',
    'tools/dataset_converters/count_classes.py': 'tests/datasets/test_class_counts.py',
    'tools/dataset_converters/import_split.py': 'tests/tools/test_import_split.py',
    'tools/dataset_converters/voc_aug.py': 'tests/tools/test_voc_aug.py',
    'tools/model_converters/import_uda.py': 'tests/tools/test_import_uda.py',
    'tools/model_converters/ship.py': 'tests/tools/test_ship.py',
    'tools/train_chain.py': 'tests/tools/test_train_chain_runs.py',
    'tools/zoo.py': 'tests/tools/test_zoo.py',
}


@dataclass
class Project:
    """A user's folder."""

    root: Path

    def run(self, command: str) -> None:
        """Run a command of a document."""
        program, script, *words = shlex.split(command.replace('iter_800', f'iter_{STEPS}'))
        assert program == 'python'
        words = [fill_in(word) for word in words if word != '...]']
        words += FEWER.get(script, [])
        done = run_script(
            self.root / script,
            *words,
            folder=self.root,
            timeout=1800,
            DTS_DATA_ROOT='data',
            OMP_NUM_THREADS='1',
        )
        assert done.returncode == 0, f'{command}\n{done.stderr[-3000:]}'


def fill_in(word: str) -> str:
    """Put what the commands before left in the place of a word in capitals."""
    if re.fullmatch(r'WORK_DIR/\w+/seed\d', word):  # a folder of runs with several seeds
        return STAND_INS['WORK_DIR']
    return STAND_INS.get(word, word)


@pytest.fixture(scope='module')
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The repository's tools, smaller configs, and images whose class is visible."""
    root = tmp_path_factory.mktemp('user')
    for name in ('tools', 'demo'):
        (root / name).symlink_to(ROOT / name)
    for file in (ROOT / 'configs').rglob('*.py'):
        text, place = file.read_text(), file.relative_to(ROOT)
        for old, new in SMALLER.get(str(place), {}).items():
            assert text.count(old) == 1, f'{place} has another {old}'
            text = text.replace(old, new)
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_text(text)
    rng = np.random.default_rng(0)
    folders = {'labeled': 4, 'unlabeled': 5, 'val': 2}
    for part, count in folders.items():
        has_masks = part != 'unlabeled'
        images = root / 'data/my_images' / part / ('images' if has_masks else '')
        for folder in (images, images.parent / 'masks')[: 1 + has_masks]:
            folder.mkdir(parents=True)
        for index in range(count):
            mask = np.zeros((64, 64), np.uint8)
            mask[:, : 8 * (index + 2)] = 1
            noise = rng.integers(0, 60, (64, 64, 3), dtype=np.uint8)
            cv2.imwrite(str(images / f'{part}{index}.png'), mask[..., None] * np.uint8(180) + noise)
            if has_masks:
                cv2.imwrite(str(images.parent / f'masks/{part}{index}.png'), mask)
    stems = [f'image{index}' for index in range(40)]
    (root / 'data/my_images/all.txt').write_text('\n'.join(stems))
    (root / 'photos').mkdir()
    for name in ('photo.jpg', 'photos/photo.jpg'):
        cv2.imwrite(str(root / name), noise)
    return Project(root)


def section(document: str) -> list[str]:
    """Commands of the part of a document that is run, but those of several processes and CI."""
    start, end = SECTIONS[document]
    text = (ROOT / document).read_text()
    found = commands(text[text.index(start) : text.index(end)])
    if document == 'README.md':
        found += [c for c in commands(text[text.index(end) :]) if 'onnx' in c]
    return [command for command in found if command.startswith('python')]


@pytest.mark.slow
@pytest.mark.parametrize('document', SECTIONS)
def test_commands_do_what_the_document_says(project: Project, document: str) -> None:
    """In this order: a document goes on where the one before ended."""
    pytest.importorskip('onnxruntime', reason='pip install dts[export]')
    shown = section(document)
    assert shown
    for command in shown:
        project.run(command)
    missing = [left for left in LEFT[document] if not list(project.root.glob(left))]
    assert not missing


@pytest.mark.slow
def test_dual_teacher_takes_the_place_of_mean_teacher_in_the_same_commands(
    project: Project,
) -> None:
    start, end = SECTIONS['README.md']
    text = (ROOT / 'README.md').read_text()
    part = text[text.index(start) : text.index(end)]
    assert f'the same commands with `{DUAL_TEACHER}`' in part
    for command in commands(part):
        if command.startswith(('python tools/train.py', 'python tools/test.py')):
            project.run(command.replace(CONFIG, DUAL_TEACHER).replace('/mine', '/dual'))
    for name in ('student', 'teacher.0', 'teacher.1'):
        assert list(project.root.glob(f'work_dirs/dual/pictures/{name}/*.png'))


def tool_of(command: str) -> str:
    """What a command starts."""
    words = shlex.split(command)
    return {'make': 'make', 'bash': ' '.join(words[:2])}.get(words[0], words[1])


def test_every_tool_that_a_document_shows_is_run_by_a_test() -> None:
    run_here = {tool_of(command) for document in SECTIONS for command in section(document)}
    shown = {tool_of(command) for path in DOCUMENTS for command in commands(path.read_text())}
    assert shown - run_here - set(ELSEWHERE) == set()
    assert set(ELSEWHERE) <= shown - run_here, 'not shown any more, or run here'
    for tool, test in ELSEWHERE.items():
        name = re.split(r'[ /]', tool)[-1]
        assert re.search(rf'\b{Path(name).stem}\b', (ROOT / test).read_text()), f'{test}: no {name}'
