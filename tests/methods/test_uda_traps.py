"""The traps that the released code of DACS, DAFormer, HRDA and MIC sets, one test for each.

A test is named after its trap. Those that stand beside what they test:

    trap  what we want                                          where it is shown
    3     one forward and one backward of the DDP wrapper       integration/test_self_training_runs
    5     ClassMix per image, over the batch on request         test_classmix
    12    every corner of a detail window                       test_hrda_windows, test_hrda
    14    class counts are made and checked at start            test_class_counts
    15    every listed file is looked up at start               test_class_counts
    16    SYNTHIA's 16-bit labels                               test_adaptation_datasets
    17    means over 19, 16 and 13 classes                      test_metric
    18    margins are read from the image                       test_margins
    19    label maps on the fly                                 test_adaptation_datasets
    20    weights that do not fit are refused                   models/test_strict_pretrained
    21    no label of the target is opened or used              test_adaptation_configs
    22    no value on the host in a step                        integration/test_devices
    23    two endless streams instead of all pairs              test_adaptation_configs

``ELSEWHERE`` names the tests, and a test checks that they are there.
"""

from __future__ import annotations

import copy
import random
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config, ConfigDict
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper

from dts.hooks.ema_teacher import EmaTeacherHook
from dts.mixing.color import ColorAugmentation
from dts.registry import MODELS
from dts.teachers.bank import TeacherBank
from toys import toy_segmentor_config, uda_batch

TESTS = Path(__file__).parents[1]
METHOD = 'methods/test_self_training.py'
RUNS = 'integration/test_self_training_runs.py'
DATA_SETS = 'datasets/test_adaptation_datasets.py'
DATA_CONFIGS = 'datasets/test_adaptation_configs.py'
COUNTS = 'datasets/test_class_counts.py'
CHECKPOINTS = 'hooks/test_checkpoint.py'

ELSEWHERE: dict[int, list[str]] = {
    1: [
        'evaluation/test_loops.py::test_validation_scores_each_network_and_reads_once',
        f'{CHECKPOINTS}::test_best_file_holds_the_network_that_it_is_named_after_and_no_more',
    ],
    2: [f'{RUNS}::test_a_killed_run_goes_on_bit_for_bit_with_rare_classes'],
    3: [
        f'{RUNS}::test_students_teachers_and_buffers_are_equal_on_two_ranks',
        f'{RUNS}::test_trap_03_two_ranks_learn_what_one_process_learns_from_the_global_batch',
    ],
    4: ['targets/test_weighting.py::test_image_fraction_is_over_the_valid_pixels_of_each_image'],
    5: [
        'mixing/test_classmix.py::'
        'test_trap_05_classes_of_the_batch_are_drawn_on_request_and_of_the_image_by_default'
    ],
    6: ['mixing/test_color.py::test_every_image_draws_for_itself_at_the_probability'],
    7: [
        'hooks/test_ema_teacher.py::test_batch_statistics_leave_the_teacher_buffers_of_its_own',
        'teachers/test_train_mode.py::test_batch_statistics_are_all_that_is_taken_from_train_mode',
    ],
    8: [
        'hooks/test_reference_encoder.py::'
        'test_reference_is_pretrained_frozen_and_outside_of_the_model'
    ],
    11: ['models/test_hrda.py::test_loss_of_mmseg_is_nine_tenths_fused_and_one_tenth_detail'],
    12: [
        'models/test_hrda_windows.py::test_trap_12_corners_are_multiples_of_eight_up_to_the_last',
        'models/test_hrda.py::test_released_draws_never_reach_the_last_corner',
    ],
    13: ['losses/test_cross_entropy.py::test_ignored_pixels_count_in_the_denominator_on_request'],
    14: [
        f'{COUNTS}::test_trap_14_a_listed_label_file_that_is_gone_is_named',
        'datasets/test_rare_class.py::test_a_class_without_an_image_is_named',
    ],
    15: [f'{COUNTS}::test_trap_15_every_listed_file_is_checked_and_all_wrong_ones_are_named'],
    16: [f'{DATA_SETS}::test_trap_16_synthia_labels_are_16_bit_with_the_class_in_the_last_channel'],
    17: ['evaluation/test_metric.py::test_trap_17_means_over_19_16_and_13_classes_of_one_matrix'],
    18: [
        'datasets/transforms/test_margins.py::'
        'test_trap_18_margins_are_read_from_the_image_not_from_a_constant'
    ],
    19: [
        f'{DATA_SETS}::test_trap_19_every_raw_id_becomes_its_class_when_it_is_read',
        f'{DATA_SETS}::test_a_class_list_of_the_user_is_applied_after_the_raw_ids',
    ],
    20: [
        'models/test_strict_pretrained.py::test_trap_20_weights_that_do_not_fit_are_refused',
        f'{CHECKPOINTS}::test_stock_checkpoint_is_loaded_and_a_partial_one_refused',
        'models/test_efficientnet_lite_weights.py::test_missing_tensor_is_named',
    ],
    21: [
        f'{DATA_CONFIGS}::test_trap_21_batch_of_two_streams_without_a_label_of_the_target',
        f'{METHOD}::test_labels_of_the_target_change_a_statistic_only',
    ],
    22: [
        'integration/test_devices.py::test_step_runs_on_tensors_without_data',
        f'{RUNS}::test_trap_22_a_step_with_all_switches_runs_on_tensors_without_data',
    ],
    23: [f'{DATA_CONFIGS}::test_trap_23_two_streams_are_as_long_as_their_lists'],
}


@pytest.mark.parametrize('trap', range(1, 24))
def test_every_trap_has_a_test_of_its_number_and_named_tests_are_there(trap: int) -> None:
    own = f'test_trap_{trap:02}_'
    here = re.search(rf'^def {own}', Path(__file__).read_text(), re.MULTILINE)
    assert here or any(f'::{own}' in place for place in ELSEWHERE.get(trap, []))
    for place in ELSEWHERE.get(trap, []):
        file, _, name = place.partition('::')
        text = (TESTS / file).read_text()
        assert re.search(rf'^def {name}\(', text, re.MULTILINE), place


def build(student: dict | None = None, **kwargs: Any) -> Any:
    """A method in train mode with a teacher of other weights than the student's."""
    student = student or toy_segmentor_config()
    config = dict(type='dts.SelfTraining', student=student, threshold=0.4, **kwargs)
    method = MODELS.build(config).train()
    method.attach_teachers(TeacherBank.from_student(method.student, ['teacher']))
    with torch.no_grad():
        method.teachers['teacher'].segmentor.decode_head.conv_seg.weight.normal_()
    return method


def two_resolutions() -> ConfigDict:
    config = toy_segmentor_config()
    config.update(type='dts.HRDAEncoderDecoder', stride=1, detail_size=(8, 8))
    return config


def losses_of(method: Any, batch: dict | None = None) -> tuple[dict, dict[str, torch.Tensor]]:
    """The preprocessed batch, and the losses of one step at fixed seeds."""
    data = method.data_preprocessor(batch or uda_batch(), training=True)
    random.seed(3)
    torch.manual_seed(3)
    return data, method(**data, mode='loss')


def forward(network: Any, images: torch.Tensor) -> torch.Tensor:
    return network.decode_head(network.extract_feat(images))


def runner_of(method: Any, name: str) -> SimpleNamespace:
    """What a hook asks of a runner that has just started: no hook attached teachers yet."""
    method._teachers = None
    hub = MessageHub.get_instance(f'traps_{name}')
    return SimpleNamespace(model=method, message_hub=hub, _resume=True)


@pytest.mark.slow
def test_trap_01_student_and_teacher_are_scored_and_the_best_file_says_whose_it_is(
    repository: Path,
) -> None:
    configs = sorted((repository / 'configs/uda').glob('*camvid-day2dusk*.py'))
    seen = 0
    for path in configs:
        config = Config.fromfile(path, format_python_code=False)
        if any(hook.type == 'dts.EmaTeacherHook' for hook in config.get('custom_hooks', [])):
            seen += 1
            for key in ('val_cfg', 'test_cfg'):
                assert {'student', 'teacher'} <= set(config[key].models), (path.name, key)
            best = config.default_hooks.checkpoint.get('save_best')
            assert best is None or re.match(r'(student|teacher)/', best), path.name
    assert seen


@pytest.mark.parametrize('first_count', [0, 1])
def test_trap_02_a_resumed_teacher_goes_on_with_its_counter(first_count: int) -> None:
    method = build().double()
    weight = method.student.decode_head.conv_seg.weight
    runner = runner_of(method, 'counter')
    hook = EmaTeacherHook(decay=1.0, first_count=first_count)  # a plain mean for ever
    hook.before_train(runner)
    thetas = [weight.detach().clone()]

    def step() -> None:
        with torch.no_grad():
            weight.normal_()
        thetas.append(weight.detach().clone())
        hook.move(runner)

    for _ in range(3):
        step()
    saved = copy.deepcopy(hook.bank.state_dict())
    runner = runner_of(method, 'counter')
    hook = EmaTeacherHook(decay=1.0, first_count=first_count)
    hook.after_load_checkpoint(runner, {'dts': {'teachers': saved}})
    hook.before_train(runner)
    teacher = hook.bank['teacher'].segmentor
    mean = torch.stack(thetas[1 - first_count :]).mean(0)
    torch.testing.assert_close(teacher.decode_head.conv_seg.weight, mean)  # not the student
    for _ in range(2):
        step()
    mean = torch.stack(thetas[1 - first_count :]).mean(0)
    torch.testing.assert_close(teacher.decode_head.conv_seg.weight, mean)
    assert hook.bank.updates == 5


@pytest.mark.parametrize(
    ('weighting', 'expected'),
    [
        (None, [[0.25] * 4, [0.25] * 4]),  # as published: the easy image lifts the hard one
        ('batch_fraction', [[0.25] * 4, [0.25] * 4]),
        ('image_fraction', [[0.5] * 4, [0.0] * 4]),
        ('pixel_mask', [[1.0, 1.0, 0.0, 0.0], [0.0] * 4]),
    ],
)
def test_trap_04_weights_are_of_the_batch_of_the_image_or_of_the_pixel(
    weighting: str | None, expected: list[list[float]]
) -> None:
    method = build(**({} if weighting is None else dict(weighting=weighting)))
    method.threshold = 0.9
    probs = torch.tensor([[[0.5], [0.3], [0.2]]]).expand(2, 3, 256).clone()
    probs[0, :, :128] = torch.tensor([[0.95], [0.03], [0.02]])  # the upper half of one image
    probs = probs.view(2, 3, 16, 16)
    method.teachers.probabilities = lambda images: probs
    shown: dict[str, torch.Tensor] = {}
    method.observers.append(shown.update)
    losses_of(method)
    pasted, weights = shown['pasted'], shown['mixed_weight']
    assert pasted.any()
    assert (weights[pasted] == 1).all()
    quarters = torch.tensor(expected).repeat_interleave(64, dim=1).view(2, 16, 16)
    torch.testing.assert_close(weights[~pasted], quarters[~pasted])


def test_trap_06_colors_change_four_images_in_five_each_by_a_draw_of_its_own() -> None:
    augmentation = ColorAugmentation(blur_probability=0.0)
    assert augmentation.jitter_probability == 0.8
    stats = dict(mean=torch.zeros(3, 1, 1), std=torch.ones(3, 1, 1), channel_conversion=True)
    images = (torch.rand(1, 3, 8, 8) * 255).expand(1000, 3, 8, 8)
    changes = (augmentation(images, SimpleNamespace(**stats)) - images).abs().flatten(1).amax(1)
    assert float((changes > 0.1).float().mean()) == pytest.approx(0.8, abs=0.04)
    assert len(set(changes[changes > 0.1].tolist())) > 700


@pytest.mark.parametrize('batch_statistics', [False, True])
def test_trap_07_a_teacher_labels_with_the_students_statistics_or_those_of_its_batch(
    batch_statistics: bool,
) -> None:
    method = build(toy_segmentor_config(dropout=0.5))
    hook = EmaTeacherHook(batch_statistics=batch_statistics)
    runner = runner_of(method, 'statistics')
    hook.before_train(runner)
    images = torch.randn(3, 3, 16, 16) * 2 + 1
    method.student(images)  # moves its statistics
    hook.move(runner)
    teacher, student = hook.bank['teacher'].segmentor, method.student
    own, students = teacher.backbone.norm, student.backbone.norm
    assert not torch.equal(students.running_mean, torch.zeros(8))

    together = hook.bank.probabilities(images)
    torch.testing.assert_close(hook.bank.probabilities(images), together)  # no dropout
    apart = torch.cat([hook.bank.probabilities(image[None]) for image in images])
    if batch_statistics:
        assert not torch.allclose(apart, together, atol=1e-3)
        maps = student.backbone.conv(images)  # the first update copied the weights
        expected = F.batch_norm(
            maps, None, None, students.weight, students.bias, training=True
        ).relu()
        scores = student.decode_head.conv_seg(expected)
        torch.testing.assert_close(together, scores.softmax(1))
        assert not torch.allclose(own.running_mean, students.running_mean, atol=1e-3)
    else:
        torch.testing.assert_close(apart, together)
        expected = forward(copy.deepcopy(student).eval(), images).softmax(1)
        torch.testing.assert_close(together, expected)
        assert torch.equal(own.running_mean, students.running_mean)
    assert not any(module.training for module in teacher.modules())


def test_trap_08_teacher_and_reference_are_frozen_and_out_of_the_optimizer() -> None:
    method = build(feature_distance=dict(classes=[0, 1, 2], min_share=0.0))
    reference = copy.deepcopy(method.student.backbone).eval().requires_grad_(False)
    object.__setattr__(method, 'reference', reference)
    hook = EmaTeacherHook()
    hook.before_train(runner_of(method, 'frozen'))
    frozen = [*hook.bank['teacher'].parameters(), *reference.parameters()]
    optimized = {id(parameter) for parameter in method.parameters()}
    assert optimized == {id(parameter) for parameter in method.student.parameters()}
    assert not optimized & {id(parameter) for parameter in frozen}

    with_gradient: list[bool] = []
    for network in (hook.bank['teacher'].segmentor.backbone, reference):
        network.register_forward_hook(lambda *_: with_gradient.append(torch.is_grad_enabled()))
    before = [parameter.clone() for parameter in frozen]
    wrapper = OptimWrapper(torch.optim.SGD(method.parameters(), lr=0.1))
    method.train_step(uda_batch(), wrapper)
    assert with_gradient == [False, False]
    assert all(parameter.grad is None for parameter in frozen)
    assert all(torch.equal(*pair) for pair in zip(frozen, before, strict=True))
    assert not any(module.training for module in hook.bank['teacher'].modules())


def test_trap_09_the_weight_of_masking_scales_fused_and_detail_alike() -> None:
    method = build(two_resolutions(), masking=dict(block_size=4, weight=1.0))
    rest = dict(block_size=4, ratio=method.masking.ratio)
    _, whole = losses_of(method)
    scaled = build(two_resolutions(), masking=dict(**rest, weight=0.25))
    scaled.load_state_dict(method.state_dict())
    scaled.student.load_state_dict(method.student.state_dict())
    scaled.teachers['teacher'].load_state_dict(method.teachers['teacher'].state_dict())
    _, quarter = losses_of(scaled)
    for head in ('decode', 'detail'):
        key = f'masked.{head}.loss_ce'
        assert whole[key] > 0
        torch.testing.assert_close(quarter[key], 0.25 * whole[key])
        torch.testing.assert_close(quarter[f'mix.{head}.loss_ce'], whole[f'mix.{head}.loss_ce'])


@pytest.mark.parametrize('count', [1, 2, 3])
def test_trap_10_one_half_source_and_one_half_target_take_any_batch(count: int) -> None:
    """``separate`` of the release: one image of each, which it asks to come in batches of two."""
    method = build(masking=dict(block_size=4, ratio=0.5, images='separate', color=False))
    shown: dict[str, torch.Tensor] = {}
    method.observers.append(shown.update)
    data, losses = losses_of(method, uda_batch(count=count))
    half = {1: 1, 2: 1, 3: 2}[count]
    whole = torch.cat([data['inputs']['source'][:half], data['inputs']['target'][:half]])
    masked = shown['masked']
    torch.testing.assert_close(masked, torch.where(masked != 0, whole, 0.0))
    assert 0.1 < float((masked != 0).float().mean()) < 0.9

    teacher = method.teachers['teacher'].segmentor
    c, label = forward(teacher, data['inputs']['target']).softmax(1).max(1)
    q = float((c >= method.threshold).float().mean())  # over the whole batch, as for the mix
    assert 0.02 < q < 0.98
    y = torch.stack([s.gt_sem_seg.data[0] for s in data['data_samples']['source']])
    labels = torch.cat([y[:half], label[:half]])
    loss_map = F.cross_entropy(forward(method.student, masked), labels, reduction='none')
    expected = (loss_map[:half].sum() + q * loss_map[half:].sum()) / loss_map.numel()
    torch.testing.assert_close(losses['masked.decode.loss_ce'], expected)


@pytest.mark.parametrize('count', [1, 3])
def test_trap_10_masking_takes_any_batch(count: int) -> None:
    method = build(masking=dict(block_size=4, ratio=0.5))
    method.threshold = 0.0  # every label counts
    shown: dict[str, torch.Tensor] = {}
    method.observers.append(shown.update)
    data, losses = losses_of(method, uda_batch(count=count))
    target, masked = data['inputs']['target'], shown['masked']
    kept = masked != 0
    assert masked.shape == target.shape
    torch.testing.assert_close(masked[kept], target[kept])
    share = kept[:, 0].float().mean()
    assert 0.1 < share < 0.9
    labels = forward(method.teachers['teacher'].segmentor, target).argmax(1)
    expected = F.cross_entropy(forward(method.student, masked), labels)  # over every image
    torch.testing.assert_close(losses['masked.decode.loss_ce'], expected)


def test_trap_11_context_alone_has_no_term_of_the_loss() -> None:
    """The release can add a term of the context; it would see scores times 1 - a. Ours has none."""
    method = build(two_resolutions(), masking=dict(block_size=4))
    _, losses = losses_of(method)
    terms = {key for key in losses if 'loss' in key}
    branches, heads = ('source', 'mix', 'masked'), ('decode', 'detail')
    assert terms == {f'{branch}.{head}.loss_ce' for branch in branches for head in heads}
    assert sum(method.student.shares.values()) == pytest.approx(1.0)


@pytest.mark.parametrize(('avg_non_ignore', 'factor'), [(True, 1.0), (False, 0.5)])
def test_trap_13_ignored_pixels_count_in_the_mean_on_request(
    avg_non_ignore: bool, factor: float
) -> None:
    method = build(criterion=dict(type='dts.CrossEntropy', avg_non_ignore=avg_non_ignore))
    batch = uda_batch()
    for sample in batch['data_samples']['source']:
        sample.gt_sem_seg.data[:, :8] = 255  # half of the rows
    data, losses = losses_of(method, batch)
    labels = torch.stack([s.gt_sem_seg.data[0] for s in data['data_samples']['source']])
    logits = forward(method.student, data['inputs']['source'])
    expected = factor * F.cross_entropy(logits[:, :, 8:], labels[:, 8:])
    torch.testing.assert_close(losses['source.decode.loss_ce'], expected)
