# DTS over Mean Teacher, CamVid with 1/32 of its labels: our reconstruction of Huo et al., ICCV 2023, beyond its setting. Scores: README.md.
_base_ = ['../mean_teacher/mean-teacher_fpn_lite0_1xb4-800_camvid-1_32-224x288.py']
model = dict(_delete_=True, type='dts.DualTeacherStudent', host=_base_.model)
teacher_hook, *other_hooks = _base_.custom_hooks
custom_hooks = [dict(type='dts.GroupTeachersHook', teacher=teacher_hook), *other_hooks]
val_cfg = dict(models=['student', 'student_2'])
test_cfg = dict(models=['student', 'student_2', 'teacher', 'teacher_2', 'mean'])
default_hooks = dict(checkpoint=dict(product='student_2'))
