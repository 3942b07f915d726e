# Dual Teacher with the step of the release (views, weights, teachers in train mode), on 11 labelled CamVid frames. Scores: README.md.
# Not as released: data, network (a CNN without drop-path: the consistency has head dropout alone) and its schedule; a shift is a pass over
# the unlabelled frames; class weights in the labelled term; the strong view is UniMatch's.
_base_ = ['dual-teacher_fpn_lite0_1xb4-800_camvid-1_32-224x288.py']
model = dict(
    _delete_=True,
    type='dts.FaithfulDualTeacher',
    student=_base_.student,
    criterion=dict(type='dts.CrossEntropy', class_weight=_base_.class_weight),
    threshold=0.95,
)
custom_hooks = [
    dict(
        type='dts.SwitchingTeachersHook',
        shift='unlabeled_pass',
        decay=0.99,
        teacher_mode='train',
        buffers='own',
    )
]
