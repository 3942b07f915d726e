# Supervised SegFormer from scratch on 92 labelled CamVid frames. Scores, cost and commands: ../dual_teacher/README.md.
_base_ = [
    '../_base_/models/segformer_mit-mini.py',
    '../_base_/datasets/camvid.py',
    '../_base_/schedules/adamw_800.py',
    '../_base_/runtime.py',
    '../_base_/tta.py',
]
student = _base_.model
student.data_preprocessor.size = _base_.crop_size
student.decode_head.num_classes = _base_.num_classes
criterion = dict(type='dts.CrossEntropy', class_weight=_base_.class_weight)
split = 'splits/semi/1_4/seed0'
model = dict(_delete_=True, type='dts.Supervised', student=student, criterion=criterion)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(decode_head=dict(lr_mult=1.0))))
train_dataloader = dict(
    batch_size=4,
    sampler=dict(batch=dict(unlabeled=0)),
    dataset=dict(
        streams=dict(
            labeled=dict(ann_file=f'{split}/labeled.txt'),
            unlabeled=dict(ann_file=f'{split}/unlabeled.txt'),
        )
    ),
)
