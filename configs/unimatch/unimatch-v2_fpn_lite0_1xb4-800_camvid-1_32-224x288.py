# UniMatch V2 (2025) with a CNN, on 11 labelled CamVid frames. Not run by us; those that were: ../dual_teacher/README.md.
_base_ = ['unimatch_fpn_lite0_1xb4-800_camvid-1_32-224x288.py']
model = dict(
    _delete_=True,
    type='dts.UniMatchV2',
    student=_base_.student,
    criterion=dict(type='dts.CrossEntropy', class_weight=_base_.class_weight),
    threshold=0.95,
)
custom_hooks = [dict(type='dts.EmaTeacherHook', decay=0.99)]
val_cfg = dict(models=['student', 'teacher'])
test_cfg = dict(models=['student', 'teacher'])
