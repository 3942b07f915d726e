# DACS (WACV 2021) from nuclei of one set of microscopes (fluo_a) to another (fluo_b). Scores, cost and commands: README.md beside this file.
_base_ = [
    '../_base_/models/fpn_lite0.py',
    '../_base_/datasets/nuclei_fluo_a_to_fluo_b.py',
    '../_base_/schedules/adamw_250.py',
    '../_base_/runtime.py',
    '../_base_/tta.py',
]
student = _base_.model
student.data_preprocessor.size = _base_.crop_size
student.decode_head.num_classes = _base_.num_classes
# The default of 0.01 would keep a share of ImageNet's statistics to the end of a short run.
student.backbone.norm_cfg = dict(type='BN', momentum=0.1)
model = dict(
    _delete_=True,
    type='dts.SelfTraining',
    student=student,
    threshold=0.968,
    # Unsure pixels are rims of nuclei: with the argmax as their label, nuclei shrink.
    weighting='pixel_mask',
    # Half of two classes is all background or all nuclei, in shapes that no image has: rectangles.
    mix=dict(type='dts.HalfCutMix'),
    # In batches of their own mixed images pull the student's BatchNorm away from what it is tested on.
    one_forward=True,
    color=dict(type='dts.ColorAugmentation', strength=0.2),
)
custom_hooks = [
    # No batch_statistics: how many nuclei an image shows decides those of a small batch.
    dict(type='dts.EmaTeacherHook', decay=0.98),
    dict(type='dts.ClassCollapseHook', interval=50),
]
# Source images get the colours of mixed images, as those of the source-only baseline do.
train_dataloader = _base_.train_dataloader
train_dataloader.dataset.streams.source.pipeline[-1].branches.source = [
    _base_.mix_color,
    dict(type='PackSegInputs'),
]
val_cfg = dict(models=['student', 'teacher'])
test_cfg = dict(models=['student', 'teacher'])
