# Cross Pseudo Supervision (CVPR 2021) on 11 labelled CamVid frames; paper: no score on CamVid. Not run by us, cost not known. Command: README.md beside this file.
_base_ = ['../mean_teacher/mean-teacher_fpn_lite0_1xb4-800_camvid-1_32-224x288.py']
model = dict(
    _delete_=True,
    type='dts.CrossPseudoSupervision',
    student=_base_.student,
    criterion=dict(type='dts.CrossEntropy', class_weight=_base_.class_weight),
    cross_weight=1.5,
)
custom_hooks = []  # no teacher
val_cfg = dict(models=['student', 'student_2'])
test_cfg = dict(models=['student', 'student_2'])
