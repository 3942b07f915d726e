# Mean Teacher on your own images: copy this file and configs/_base_/datasets/folder.py (data/README.md). Not measured: depends on your data.
_base_ = [
    '../_base_/models/segformer_mit-b0.py',
    '../_base_/datasets/folder.py',
    '../_base_/runtime.py',
    '../_base_/tta.py',
]
student = _base_.model
student.data_preprocessor.size = _base_.crop_size
student.decode_head.num_classes = _base_.num_classes
model = dict(
    _delete_=True,
    type='dts.MeanTeacher',
    student=student,
    threshold=0.95,
    mix=dict(type='dts.CutMix'),
)
custom_hooks = [dict(type='dts.EmaTeacherHook', decay=0.99)]
# AdamW as MMSeg trains SegFormer, with the head at ten times the rate of the backbone.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='dts.MergingOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=6e-5, betas=(0.9, 0.999), weight_decay=0.01),
    paramwise_cfg=dict(norm_decay_mult=0.0, custom_keys=dict(decode_head=dict(lr_mult=10.0))),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, begin=0, end=100, by_epoch=False),
    dict(type='PolyLR', power=1.0, eta_min=0.0, begin=100, end=2000, by_epoch=False),
]
train_cfg = dict(type='dts.TrainLoop', max_iters=2000, val_interval=500)
val_cfg = dict(type='dts.ModelsValLoop', models=['student', 'teacher'])
test_cfg = dict(type='dts.ModelsTestLoop', models=['student', 'teacher'])
default_hooks = dict(checkpoint=dict(interval=500, save_best='teacher/mIoU'))
