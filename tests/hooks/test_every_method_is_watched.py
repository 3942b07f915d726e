"""Pictures of a step and the count of classes work for every method that learns pseudo-labels."""

from types import SimpleNamespace

import pytest

from dts.hooks.class_collapse import ClassCollapseHook
from dts.hooks.step_pictures import GAP, MIN_TITLE_HEIGHT, StepPicturesHook
from dts.registry import MODELS
from dts.teachers.bank import TeacherBank
from dts.teachers.teacher import Teacher
from dts.teachers.train_mode import TrainModeTeacher
from toys import batch_of_two_views, toy_segmentor_config

MIX = dict(mix=dict(type='dts.CutMix'))
MIXED = ['weak', 'mixed', 'pseudo_label', 'mixed_label', 'mixed_weight']
CROSS = ['weak', 'mixed', 'pseudo_label', 'pseudo_label_2', 'mixed_label']
CASES = [
    ('MeanTeacher', MIX, MIXED),
    ('DualTeacher', {}, MIXED),
    ('FaithfulDualTeacher', {}, MIXED),
    ('UniMatch', {}, MIXED),
    ('UniMatchV2', {}, MIXED),
    ('CutMixSeg', MIX, MIXED),
    ('CrossPseudoSupervision', MIX, CROSS),
    ('CrossPseudoSupervision', {}, CROSS),
]
METADATA = {'classes': ('a', 'b', 'c'), 'palette': [[0, 0, 0], [1, 1, 1], [2, 2, 2]]}


def watched_step(method, batch):
    """Do one step under both hooks; return columns, sizes of pictures and the counted classes."""
    written = []
    runner = SimpleNamespace(
        model=method,
        train_dataloader=SimpleNamespace(
            dataset=SimpleNamespace(streams={'labeled': SimpleNamespace(metainfo=METADATA)})
        ),
        visualizer=SimpleNamespace(add_image=lambda name, image, step: written.append(image.shape)),
    )
    pictures, collapse = StepPicturesHook(interval=1, num_images=2), ClassCollapseHook()
    columns = []
    for hook in (pictures, collapse):
        hook.before_train(runner)
    method.observers.append(columns.append)
    pictures.before_train_iter(runner, 0)
    method(**method.data_preprocessor(batch, training=True), mode='loss')
    pictures.after_train_iter(runner, 0)
    return columns, written, collapse


@pytest.mark.parametrize(('name', 'options', 'names'), CASES)
def test_both_hooks_see_a_step(name, options, names):
    config = dict(type=f'dts.{name}', student=toy_segmentor_config(), **options)
    method = MODELS.build(config).train()
    teacher_type = TrainModeTeacher if name == 'FaithfulDualTeacher' else Teacher
    method.attach_teachers(TeacherBank.from_student(method.student, ['teacher'], teacher_type))
    batch = batch_of_two_views(3, num_labeled=1, size=(16, 16))
    for branch in ('unlabeled_weak', 'unlabeled_strong', 'unlabeled_strong_2'):
        batch['inputs'][branch][0] = batch['inputs'][branch][0][:, :10]  # padded back to 16 rows
    (labeled, columns), written, collapse = watched_step(method, batch)
    assert list(labeled) == ['labeled', 'source_label']
    assert list(columns) == names
    assert all(len(tensor) == 3 for tensor in columns.values())
    assert collapse.counts_source.sum() == 16 * 16
    counts = collapse.counts
    assert counts[:-1].sum() == (10 + 16 + 16) * 16
    assert counts[-1] == 6 * 16  # padding
    rows = 1 + 2  # of one labelled image and of the first two of three others
    assert written == [(2 * MIN_TITLE_HEIGHT + rows * (16 + GAP), len(names) * (16 + GAP), 3)]
