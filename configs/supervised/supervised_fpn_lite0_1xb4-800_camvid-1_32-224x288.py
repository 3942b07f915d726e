# Supervised baseline on 11 labelled CamVid frames. Scores, cost and commands: ../mean_teacher/README.md.
_base_ = [
    '../_base_/models/fpn_lite0.py',
    '../_base_/datasets/camvid.py',
    '../_base_/schedules/adamw_800.py',
    '../_base_/runtime.py',
    '../_base_/tta.py',
]
student = _base_.model
student.data_preprocessor.size = _base_.crop_size
student.decode_head.num_classes = _base_.num_classes
# The default of 0.01 would leave a teacher with the statistics of ImageNet for much of a short run.
student.backbone.norm_cfg = dict(type='BN', momentum=0.1)
model = dict(
    _delete_=True,
    type='dts.Supervised',
    student=student,
    criterion=dict(type='dts.CrossEntropy', class_weight=_base_.class_weight),
)
# The same labelled batches as the semi-supervised runs see; no unlabelled image is read.
train_dataloader = dict(batch_size=4, sampler=dict(batch=dict(unlabeled=0)))
# An averaged model that only watches: what averaging alone is worth.
custom_hooks = [dict(type='dts.EmaTeacherHook', decay=0.99)]
val_cfg = dict(models=['student', 'teacher'])
test_cfg = dict(models=['student', 'teacher'])
