# DAFormer (Hoyer et al., CVPR 2022): network, method and schedule; configs that inherit this add the data, which bring
# rare-class sampling and margins. To DACS it adds those two, the feature distance, a transformer and its schedule. The
# published scores are those of the student after the last step.
_base_ = [
    '../../_base_/models/daformer_mit-b5.py',
    '../../_base_/schedules/adamw_40k.py',
    '../../_base_/runtime.py',
]
model = dict(
    _delete_=True,
    type='dts.SelfTraining',
    student=_base_.model,
    # The mean counts ignored source pixels too, as there: the weights of the terms were chosen with it.
    criterion=dict(type='dts.CrossEntropy', avg_non_ignore=False),
    threshold=0.968,
    weighting='batch_fraction',
    color=dict(type='dts.ColorAugmentation', strength=0.2, adjustments='kornia'),
    # traffic light, traffic sign, and person to bicycle
    feature_distance=dict(
        classes=[6, 7, 11, 12, 13, 14, 15, 16, 17, 18], weight=0.005, min_share=0.75
    ),
)
custom_hooks = [
    dict(type='dts.EmaTeacherHook', decay=0.999, first_count=1, batch_statistics=True),
    dict(type='dts.ReferenceEncoderHook'),
    dict(type='dts.ClassCollapseHook', interval=500),
    dict(type='dts.StepPicturesHook', interval=4000),
]
sync_bn = 'torch'  # several processes share the statistics of BatchNorm
val_cfg = dict(models=['student', 'teacher'])
test_cfg = dict(models=['student', 'teacher'])
default_hooks = dict(checkpoint=dict(save_best='student/mIoU'))
