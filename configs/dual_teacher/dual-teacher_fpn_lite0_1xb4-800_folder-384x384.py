# Dual Teacher on your own images, unlabelled ones without masks (data/README.md). Not measured: depends on your data.
_base_ = [
    '../_base_/models/fpn_lite0.py',
    '../_base_/datasets/folder.py',
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
    threshold=0.95,
    mix=[dict(type='dts.BetaCutMix'), dict(type='dts.ClassMix')],
    weighting=['image_fraction', 'batch_fraction'],
    consistency_weight=0.2,
    sub_network='block_skip',
)
custom_hooks = [dict(type='dts.SwitchingTeachersHook', shift=100, decay=0.99)]
train_cfg = dict(val_interval=200)
val_cfg = dict(models=['student', 'teacher.0', 'teacher.1'])
test_cfg = dict(models=['student', 'teacher.0', 'teacher.1'])
default_hooks = dict(checkpoint=dict(interval=200, save_best='student/mIoU'))
