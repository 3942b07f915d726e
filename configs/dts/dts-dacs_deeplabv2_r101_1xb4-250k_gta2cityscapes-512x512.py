# DTS (Huo et al., ICCV 2023) over DACS, GTA5 -> Cityscapes; paper: 76.5 mIoU with its best host (which one is not said), about twice the cost of the host. Our reconstruction, not run by us, no log.
_base_ = ['../uda/dacs_deeplabv2_r101_1xb4-250k_gta2cityscapes-512x512.py']
model = dict(_delete_=True, type='dts.DualTeacherStudent', host=_base_.model)
teacher_hook, *other_hooks = _base_.custom_hooks
custom_hooks = [dict(type='dts.GroupTeachersHook', teacher=teacher_hook), *other_hooks]
val_cfg = dict(models=['student', 'student_2'])
test_cfg = dict(models=['student', 'student_2', 'teacher', 'teacher_2', 'mean'])
default_hooks = dict(checkpoint=dict(product='student_2'))
