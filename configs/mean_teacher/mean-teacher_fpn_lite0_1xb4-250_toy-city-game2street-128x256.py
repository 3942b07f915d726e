# Mean Teacher from labelled *game* to unlabelled *street* images of the toy city, not scored.
_base_ = [
    '../_base_/models/fpn_lite0.py',
    '../_base_/datasets/toy_city.py',
    '../_base_/schedules/adamw_250.py',
    '../_base_/runtime.py',
    '../_base_/tta.py',
]
student = _base_.model
student.data_preprocessor.size = _base_.crop_size
student.decode_head.num_classes = _base_.num_classes
model = dict(
    _delete_=True,
    type='dts.MeanTeacher',
    student=student,
    criterion=dict(type='dts.CrossEntropy', class_weight=_base_.class_weight),
    threshold=0.95,
    ramp_steps=100,
    mix=dict(type='dts.CutMix'),
)
custom_hooks = [dict(type='dts.EmaTeacherHook', decay=0.98, batch_statistics=True)]
val_cfg = dict(models=['student', 'teacher'])
test_cfg = dict(models=['student', 'teacher'])
