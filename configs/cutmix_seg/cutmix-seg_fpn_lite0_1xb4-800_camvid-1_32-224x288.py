# CutMix-Seg (BMVC 2020) on 11 labelled CamVid frames. Not run by us; those that were: ../dual_teacher/README.md.
_base_ = ['../mean_teacher/mean-teacher_fpn_lite0_1xb4-800_camvid-1_32-224x288.py']
model = dict(
    _delete_=True,
    type='dts.CutMixSeg',
    student=_base_.student,
    criterion=dict(type='dts.CrossEntropy', class_weight=_base_.class_weight),
    threshold=0.97,
    mix=dict(type='dts.HalfCutMix'),
)
custom_hooks = [dict(type='dts.EmaTeacherHook', decay=0.99, buffers='average')]
