# PSPNet-R101 teaches PSPNet-R18 on Cityscapes, MMSegmentation's protocol: networks, data and schedule; configs that inherit
# this add the terms. MMSeg's scores: teacher 79.76, student alone 74.87. The teacher's weights are MMSeg's:
# wget -P work_dirs/mmseg https://download.openmmlab.com/mmsegmentation/v0.5/pspnet/pspnet_r101-d8_512x1024_80k_cityscapes/pspnet_r101-d8_512x1024_80k_cityscapes_20200606_112211-e1e1100f.pth
_base_ = [
    '../../_base_/models/pspnet_r18.py',
    '../../_base_/datasets/cityscapes_labeled.py',
    '../../_base_/schedules/sgd_80k.py',
    '../../_base_/runtime.py',
]
student = _base_.model
student.data_preprocessor.size = _base_.crop_size
student.decode_head.num_classes = _base_.num_classes
student.auxiliary_head.num_classes = _base_.num_classes
student.test_cfg = _base_.evaluation
model = dict(
    _delete_=True,
    type='dts.Distillation',
    student=student,
    criterion=dict(type='dts.CrossEntropy', avg_non_ignore=False),  # as MMSeg
    distill=[],
)
custom_hooks = [
    dict(
        type='dts.FrozenTeacherHook',
        teachers=dict(
            teacher=dict(
                config='configs/_base_/models/pspnet_r101.py',
                checkpoint='work_dirs/mmseg/pspnet_r101-d8_512x1024_80k_cityscapes_20200606_112211-e1e1100f.pth',
            )
        ),
    )
]
labeled = _base_.train_dataloader.dataset.streams.labeled
labeled.pipeline[3].cat_max_ratio = 0.75
labeled.pipeline[5].branches.labeled = [
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    batch_size=2, sampler=dict(batch=dict(labeled=2)), dataset=dict(streams=dict(labeled=labeled))
)
sync_bn = 'torch'  # several processes share the statistics of BatchNorm
