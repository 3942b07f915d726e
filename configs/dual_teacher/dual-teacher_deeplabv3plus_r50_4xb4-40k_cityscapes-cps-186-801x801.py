# Dual Teacher (NeurIPS 2023) on Cityscapes 186; paper: no R50 score known to us. Not run by us; its Cityscapes recipe is not public, ours is UniMatch's.
_base_ = [
    '../_base_/models/deeplabv3plus_r50.py',
    '../_base_/datasets/cityscapes.py',
    '../_base_/schedules/sgd_40k.py',
    '../_base_/runtime.py',
]
protocol = 'cityscapes-cps-186-801'
split = 'splits/cps/186'
student = _base_.model
student.data_preprocessor.size = _base_.crop_size
student.decode_head.num_classes = _base_.num_classes
student.auxiliary_head.num_classes = _base_.num_classes
student.test_cfg = _base_.evaluation
# output stride 16, as UniMatch trains
student.backbone.update(dilations=(1, 1, 1, 2), strides=(1, 2, 2, 1))
student.decode_head.dilations = (1, 6, 12, 18)
model = dict(
    _delete_=True,
    type='dts.DualTeacher',
    student=student,
    # labelled images only, as UniMatch trains them
    criterion=dict(type='dts.OhemCrossEntropy', threshold=0.7, min_kept=100_000),
    threshold=0.95,
    mix=[dict(type='dts.BetaCutMix'), dict(type='dts.ClassMix')],
    weighting=['image_fraction', 'batch_fraction'],
    consistency_weight=0.2,
    sub_network='block_skip',
)
custom_hooks = [dict(type='dts.SwitchingTeachersHook', shift='labeled_pass', decay=0.99)]
train_dataloader = dict(
    dataset=dict(
        streams=dict(
            labeled=dict(ann_file=f'{split}/labeled.txt'),
            unlabeled=dict(ann_file=f'{split}/unlabeled.txt'),
        )
    )
)
sync_bn = 'torch'  # several processes share the statistics of BatchNorm
models = ['student', 'teacher.0', 'teacher.1']
val_cfg = dict(models=models)
test_cfg = dict(models=models)
optim_wrapper = dict(
    optimizer=dict(lr=5e-3), paramwise_cfg=dict(custom_keys=dict(decode_head=dict(lr_mult=1.0)))
)
