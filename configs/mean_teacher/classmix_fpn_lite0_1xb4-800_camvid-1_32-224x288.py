# ClassMix (WACV 2021) on 11 labelled CamVid frames. Not run by us; those that were: ../dual_teacher/README.md.
_base_ = ['mean-teacher_fpn_lite0_1xb4-800_camvid-1_32-224x288.py']
model = dict(
    threshold=0.968,
    weighting='batch_fraction',
    mix=dict(_delete_=True, type='dts.ClassMix'),
    labeled_mix=0.0,
)
