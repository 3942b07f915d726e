# DTS over DACS, *game* to *street* images of the toy city: our reconstruction of Huo et al., ICCV 2023. Scores, cost and commands: README.md beside this file.
_base_ = ['../uda/dacs_fpn_lite0_1xb4-250_toy-city-game2street-128x256.py']
model = dict(_delete_=True, type='dts.DualTeacherStudent', host=_base_.model)
teacher_hook, *other_hooks = _base_.custom_hooks
custom_hooks = [dict(type='dts.GroupTeachersHook', teacher=teacher_hook), *other_hooks]
val_cfg = dict(models=['student', 'student_2'])
test_cfg = dict(models=['student', 'student_2', 'teacher', 'teacher_2', 'mean'])
default_hooks = dict(checkpoint=dict(product='student_2'))
