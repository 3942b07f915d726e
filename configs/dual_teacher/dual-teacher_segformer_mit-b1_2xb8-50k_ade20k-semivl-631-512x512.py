# Dual Teacher (NeurIPS 2023) on ADE20K 631 with the released schedule; paper: its score is not known to us. Not run by us.
_base_ = [
    '../_base_/models/segformer_mit-b1.py',
    '../_base_/datasets/ade20k.py',
    '../_base_/schedules/adamw_50k.py',
    '../_base_/runtime.py',
]
protocol = 'ade20k-semivl-631-512'
split = 'splits/semivl/631'
student = _base_.model
student.data_preprocessor.size = _base_.crop_size
student.decode_head.num_classes = _base_.num_classes
student.test_cfg = _base_.evaluation
model = dict(
    _delete_=True,
    type='dts.DualTeacher',
    student=student,
    threshold=0.95,
    mix=[dict(type='dts.BetaCutMix'), dict(type='dts.ClassMix')],
    weighting=['image_fraction', 'batch_fraction'],
    consistency_weight=0.2,
    sub_network='drop_path',
)
custom_hooks = [dict(type='dts.SwitchingTeachersHook', shift='labeled_pass', decay=0.99)]
train_dataloader = dict(
    batch_size=8,
    sampler=dict(batch=dict(labeled=4, unlabeled=4)),
    dataset=dict(
        streams=dict(
            labeled=dict(ann_file=f'{split}/labeled.txt'),
            unlabeled=dict(ann_file=f'{split}/unlabeled.txt'),
        )
    ),
)
sync_bn = 'torch'  # several processes share the statistics of BatchNorm
models = ['student', 'teacher.0', 'teacher.1']
val_cfg = dict(models=models)
test_cfg = dict(models=models)
