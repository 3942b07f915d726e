# Dual Teacher (NeurIPS 2023), corrected mode, on 11 labelled CamVid frames. Scores, cost and commands: README.md beside this file.
_base_ = [
    '../_base_/models/fpn_lite0.py',
    '../_base_/datasets/camvid.py',
    '../_base_/schedules/adamw_800.py',
    '../_base_/runtime.py',
    '../_base_/tta.py',
]
student = _base_.model
student.data_preprocessor.size = _base_.crop_size
student.decode_head.num_classes = _base_.num_classes
# The default of 0.01 would leave a teacher with the statistics of ImageNet for much of a short run.
student.backbone.norm_cfg = dict(type='BN', momentum=0.1)
model = dict(
    _delete_=True,
    type='dts.DualTeacher',
    student=student,
    criterion=dict(type='dts.CrossEntropy', class_weight=_base_.class_weight),
    threshold=0.95,
    mix=[dict(type='dts.BetaCutMix'), dict(type='dts.ClassMix')],
    # Not the released shares of sure pixels: by these, unsure pixels teach too.
    weighting=['pixel_mask', 'pixel_mask'],
    labeled_mix=0.5,
    consistency_weight=0.2,
    sub_network='block_skip',
)
# A pass over 11 labelled frames is 3 steps, too short a turn; one over the unlabelled frames is 89.
custom_hooks = [dict(type='dts.SwitchingTeachersHook', shift='unlabeled_pass', decay=0.99)]
val_cfg = dict(models=['student', 'teacher.0', 'teacher.1'])
test_cfg = dict(models=['student', 'teacher.0', 'teacher.1'])
