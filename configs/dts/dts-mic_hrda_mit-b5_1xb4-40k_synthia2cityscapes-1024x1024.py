# DTS (Huo et al., ICCV 2023) over MIC on HRDA, SYNTHIA -> Cityscapes; paper: 75.1 mIoU13 with its best host (which one is not said), about twice the cost of the host. Our reconstruction, not run by us, no log.
_base_ = ['../uda/mic_hrda_mit-b5_1xb4-40k_synthia2cityscapes-1024x1024.py']
model = dict(_delete_=True, type='dts.DualTeacherStudent', host=_base_.model)
teacher_hook, *other_hooks = _base_.custom_hooks
custom_hooks = [dict(type='dts.GroupTeachersHook', teacher=teacher_hook), *other_hooks]
val_cfg = dict(models=['student', 'student_2'])
test_cfg = dict(models=['student', 'student_2', 'teacher', 'teacher_2', 'mean'])
default_hooks = dict(checkpoint=dict(product='student_2'))
