"""Networks of a checkpoint file: which are there, and that each gets its own weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dts.evaluation.checkpoint_models import CheckpointModels
from dts.evaluation.models import available_models
from dts.registry import MODELS
from dts.teachers.bank import TeacherBank
from toys import toy_sample, toy_segmentor_config


def write_file(folder: Path, product: str) -> tuple[str, dict[str, nn.Module]]:
    """A file in our layout with a student and two teachers, all different."""
    student = MODELS.build(toy_segmentor_config(3))
    bank = TeacherBank.from_student(student, ['teacher.0', 'teacher.1'])
    networks = {'student': student, **{name: bank[name].segmentor for name in bank.names}}
    for index, network in enumerate(networks.values()):
        nn.init.constant_(network.decode_head.conv_seg.bias, index)
    ours = {
        'version': 1,
        'product': product,
        'student': None if product == 'student' else student.state_dict(),
        'teachers': bank.state_dict(),
    }
    file = str(folder / 'iter_8.pth')
    torch.save({'state_dict': networks[product].state_dict(), 'dts': ours}, file)
    return file, networks


@pytest.mark.parametrize('product', ['student', 'teacher.1'])
def test_every_network_gets_its_weights(product: str, tmp_path: Path) -> None:
    file, networks = write_file(tmp_path, product)
    models = CheckpointModels(toy_segmentor_config(3), file)
    assert set(available_models(models)) == set(networks)
    assert models.names[0] == product
    for name, network in networks.items():
        torch.testing.assert_close(
            dict(models.networks[name].state_dict()), dict(network.state_dict()), rtol=0, atol=0
        )


def test_chosen_networks_keep_their_order(tmp_path: Path) -> None:
    file, _ = write_file(tmp_path, 'student')
    models = CheckpointModels(toy_segmentor_config(3), file, ['teacher.1', 'student'])
    biases = [net.decode_head.conv_seg.bias[0].item() for net in models.networks.values()]
    assert biases == [2, 0]


def test_unknown_network_lists_what_the_file_has(tmp_path: Path) -> None:
    file, _ = write_file(tmp_path, 'teacher.1')
    with pytest.raises(
        ValueError, match=r"named 'teacher', it has: teacher\.1, student, teacher\.0"
    ):
        CheckpointModels(toy_segmentor_config(3), file, ['teacher'])


def write_two_students(folder: Path) -> str:
    """A file of two students whose scores are 1 and 4 everywhere."""
    students = [MODELS.build(toy_segmentor_config(3)) for _ in range(2)]
    for student, score in zip(students, (1.0, 4.0), strict=True):
        nn.init.zeros_(student.decode_head.conv_seg.weight)
        nn.init.constant_(student.decode_head.conv_seg.bias, score)
    second = {f'student_2.{key}': value for key, value in students[1].state_dict().items()}
    ours = dict(version=1, product='student', student=None, students=['student', 'student_2'])
    ours['method'] = second
    file = str(folder / 'iter_8.pth')
    torch.save({'state_dict': students[0].state_dict(), 'dts': ours}, file)
    return file


@pytest.mark.parametrize('names', [None, ['mean'], ['student_2', 'mean']])
def test_several_students_answer_together(tmp_path: Path, names: list[str] | None) -> None:
    models = CheckpointModels(toy_segmentor_config(3), write_two_students(tmp_path), names)
    assert list(models.networks) == (names or ['student', 'student_2', 'mean'])
    metas = [dict(img_shape=(8, 8))]
    scores = models.networks['mean'].encode_decode(torch.zeros(1, 3, 8, 8), metas)
    assert bool((scores == 2.5).all())


def test_one_student_has_no_mean(tmp_path: Path) -> None:
    file, _ = write_file(tmp_path, 'student')
    with pytest.raises(ValueError, match="no network named 'mean', it has: student, teacher"):
        CheckpointModels(toy_segmentor_config(3), file, ['mean'])


@pytest.mark.parametrize('is_bare', [False, True])
def test_stock_file_holds_a_student(is_bare: bool, tmp_path: Path) -> None:
    state = MODELS.build(toy_segmentor_config(3)).state_dict()
    file = str(tmp_path / 'stock.pth')
    torch.save(state if is_bare else {'meta': {}, 'state_dict': state}, file)
    models = CheckpointModels(toy_segmentor_config(3), file)
    assert models.names == ['student']
    torch.testing.assert_close(
        dict(models.networks['student'].state_dict()), dict(state), rtol=0, atol=0
    )


def test_other_class_count_is_refused(tmp_path: Path) -> None:
    file, _ = write_file(tmp_path, 'student')
    with pytest.raises(ValueError, match=r'student of .*iter_8\.pth .*3 classes in the file, 4 in'):
        CheckpointModels(toy_segmentor_config(4), file, ['student'])


def test_tta_averages_probabilities_not_scores(tmp_path: Path) -> None:
    file, networks = write_file(tmp_path, 'student')
    tta = {'type': 'mmseg.SegTTAModel'}
    models = CheckpointModels(toy_segmentor_config(3), file, ['student'], tta=tta)
    rng = np.random.default_rng(0)
    views = [toy_sample((6, 6), 3, rng) for _ in range(3)]
    images = (torch.stack([v['inputs'].flip(0).float() for v in views]) - 127.5) / 127.5
    student = networks['student'].eval()
    layer = student.decode_head.conv_seg
    with torch.no_grad():
        layer.weight.normal_(std=20)  # probabilities are then far from linear in the scores
        layer.bias.sub_(student(images, mode='tensor').mean(dim=(0, 2, 3)))  # no class dominates
    models.networks['student'].module.load_state_dict(student.state_dict())
    models.eval()
    data = {key: [[view[key]] for view in views] for key in ('inputs', 'data_samples')}
    with torch.no_grad():
        (merged,) = models.networks['student'].test_step(data)
        logits = student(images, mode='tensor')
    expected = logits.softmax(dim=1).mean(dim=0).argmax(dim=0)
    assert (expected != logits.mean(dim=0).argmax(dim=0)).any()  # the views can tell both apart
    torch.testing.assert_close(merged.pred_sem_seg.data[0], expected, rtol=0, atol=0)
