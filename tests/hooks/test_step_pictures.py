"""What the pictures of a step show, pixel by pixel."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dts.hooks.step_pictures import StepPicturesHook, draw, join, titles
from dts.registry import MODELS
from dts.teachers.bank import TeacherBank
from toys import toy_segmentor_config, uda_batch

PALETTE = np.array([[1, 2, 3], [40, 50, 60]], dtype=np.uint8)


def preprocessor(is_rgb=True):
    return SimpleNamespace(
        mean=torch.tensor([10.0, 20.0, 30.0]).view(3, 1, 1),
        std=torch.tensor([2.0, 4.0, 5.0]).view(3, 1, 1),
        channel_conversion=is_rgb,
    )


def test_images_get_their_colors_back_in_red_green_blue():
    colors = torch.tensor([100.0, 150.0, 200.0]).view(1, 3, 1, 1)
    stats = preprocessor()
    assert draw((colors - stats.mean) / stats.std, stats, PALETTE).tolist() == [[[[100, 150, 200]]]]
    stats = preprocessor(is_rgb=False)
    assert draw((colors - stats.mean) / stats.std, stats, PALETTE).tolist() == [[[[200, 150, 100]]]]


def test_colors_of_a_student_that_does_not_normalise_are_asked_for_by_key():
    plain = MODELS.build(dict(type='mmseg.SegDataPreProcessor'))
    with pytest.raises(ValueError, match=r'student.data_preprocessor.mean and .std'):
        draw(torch.rand(1, 3, 2, 2), plain, PALETTE)


def test_labels_take_the_palette_and_masks_and_weights_are_grey():
    labels = torch.tensor([[[0, 1, 255]]])
    drawn = draw(labels, preprocessor(), PALETTE)
    assert drawn.tolist() == [[[[1, 2, 3], [40, 50, 60], [255, 0, 255]]]]
    mask = torch.tensor([[[True, False]]])
    assert draw(mask, preprocessor(), PALETTE).tolist() == [[[[255] * 3, [0] * 3]]]
    weights = torch.tensor([[[0.2, 1.0]]])
    assert draw(weights, preprocessor(), PALETTE).tolist() == [[[[51] * 3, [255] * 3]]]


def test_columns_are_tensors_and_rows_images():
    one, two = np.full((2, 3, 5, 3), 7, np.uint8), np.full((2, 3, 5, 3), 9, np.uint8)
    one[1] = 8
    sheet = join([one, two])
    assert sheet.shape == (2 * (3 + 4), 2 * (5 + 4), 3)
    assert sheet[0, 0, 0] == 7
    assert sheet[7, 0, 0] == 8
    assert sheet[0, 9, 0] == 9
    assert sheet[3, 0, 0] == 255


def test_names_stand_over_their_columns_and_fit():
    strip = titles(['target', 'pseudo_label', 'a_name_that_is_far_too_long_for_it'], 96)
    assert strip.shape == (16, 3 * (96 + 4), 3)
    widths = []
    for column in np.split(strip, 3, axis=1):
        (inked,) = (column < 255).any(axis=(0, 2)).nonzero()
        assert inked.max() < 96  # the gap stays white
        widths.append(inked.max() - inked.min())
    assert widths[0] < widths[1] < widths[2]
    assert widths[2] > 80  # shrunk to the column, not cut off
    assert titles(['target'], 1024).shape == (64, 1028, 3)


def watched(interval=3, num_images=1, **options):
    """A method, its hook, what a runner would hand over, and the pictures that were written."""
    method = MODELS.build(
        dict(type='dts.SelfTraining', student=toy_segmentor_config(), threshold=0.4, **options)
    )
    stream = SimpleNamespace(metainfo={'palette': [[1, 2, 3], [40, 50, 60], [7, 8, 9]]})
    written = []
    runner = SimpleNamespace(
        model=method,
        train_dataloader=SimpleNamespace(dataset=SimpleNamespace(streams={'source': stream})),
        visualizer=SimpleNamespace(
            add_image=lambda name, image, step: written.append((name, image, step))
        ),
    )
    hook = StepPicturesHook(interval=interval, num_images=num_images)
    hook.before_train(runner)
    return method, hook, runner, written


def test_due_steps_are_drawn_and_no_other():
    method, hook, runner, written = watched()
    for iteration in range(7):
        hook.before_train_iter(runner, iteration)
        labels = torch.zeros(2, 4, 6, dtype=torch.int64)
        method.expose(target=torch.zeros(2, 3, 4, 6), pseudo_label=labels)
        method.expose(target=torch.ones(2, 3, 4, 6), pseudo_label=labels)  # of a second group
        hook.after_train_iter(runner, iteration)
    shape = (16 + 4 + 4, 2 * (6 + 4), 3)  # names, one image and gap; two columns and gaps
    expected = [('step', shape, step) for step in (1, 4, 7)]
    assert [(name, image.shape, step) for name, image, step in written] == expected
    assert written[0][1][16, 0].tolist() == [128] * 3  # of the first


def test_a_branch_of_fewer_images_leaves_fewer_rows():
    method, hook, runner, written = watched(num_images=2)
    hook.before_train_iter(runner, 0)
    method.expose(source=torch.zeros(1, 3, 4, 6), target=torch.zeros(2, 3, 4, 6))
    hook.after_train_iter(runner, 0)
    assert written[0][1].shape == (16 + 4 + 4, 2 * (6 + 4), 3)


@pytest.mark.parametrize('option', ['interval', 'num_images'])
def test_counts_below_one_are_refused(option):
    with pytest.raises(ValueError, match=f'{option} of StepPicturesHook must be at least 1, got 0'):
        StepPicturesHook(**{option: 0})


@pytest.mark.parametrize(
    ('count', 'num_images', 'num_rows', 'num_masked'),
    [(1, 2, 1, 2), (2, 2, 2, 2), (3, 4, 3, 4)],  # ceil(count / 2) of both domains are masked
)
def test_masked_images_of_both_domains_stand_below_the_others(
    count, num_images, num_rows, num_masked
):
    masking = dict(block_size=4, ratio=0.0, images='separate', color=False)
    method, hook, runner, written = watched(num_images=num_images, masking=masking)
    method.attach_teachers(TeacherBank.from_student(method.student, ['teacher']))
    batch = uda_batch(count=count)
    hook.before_train_iter(runner, 0)
    method(**method.data_preprocessor(batch, training=True), mode='loss')
    hook.after_train_iter(runner, 0)
    ((_, image, _),) = written
    assert image.shape == (2 * 16 + (num_rows + num_masked) * (16 + 4), 7 * (16 + 4), 3)
    half = (count + 1) // 2
    shown = [*batch['inputs']['source'][:half], *batch['inputs']['target'][:half]]
    for row, pixels in enumerate(shown):
        top = 2 * 16 + (num_rows + row) * (16 + 4)
        expected = pixels.flip(0).permute(1, 2, 0).numpy()  # blue-green-red on the disk
        np.testing.assert_array_equal(image[top : top + 16, :16], expected)
        assert (image[top : top + 16, 16:] == 255).all()
