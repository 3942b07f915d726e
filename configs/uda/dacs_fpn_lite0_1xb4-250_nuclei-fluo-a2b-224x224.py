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
model = dict(
    _delete_=True,
    type='dts.SelfTraining',
    student=student,
    threshold=0.968,
    color=dict(type='dts.ColorAugmentation', strength=0.2),
)
custom_hooks = [
    dict(type='dts.EmaTeacherHook', decay=0.98, batch_statistics=True),
    dict(type='dts.ClassCollapseHook', interval=50),
]
val_cfg = dict(models=['student', 'teacher'])
test_cfg = dict(models=['student', 'teacher'])
