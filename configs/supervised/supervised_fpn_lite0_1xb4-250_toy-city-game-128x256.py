# Trained on *game* images of the toy city alone, tested on *street*.
_base_ = [
    '../_base_/models/fpn_lite0.py',
    '../_base_/datasets/toy_city.py',
    '../_base_/schedules/adamw_250.py',
    '../_base_/runtime.py',
    '../_base_/tta.py',
]
student = _base_.model
student.data_preprocessor.size = _base_.crop_size
student.decode_head.num_classes = _base_.num_classes
model = dict(
    _delete_=True,
    type='dts.Supervised',
    student=student,
    criterion=dict(type='dts.CrossEntropy', class_weight=_base_.class_weight),
)
train_dataloader = dict(batch_size=4, sampler=dict(batch=dict(unlabeled=0)))
