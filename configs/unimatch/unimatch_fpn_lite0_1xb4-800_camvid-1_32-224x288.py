# UniMatch (CVPR 2023) on 11 labelled CamVid frames. Scores, cost and commands: ../dual_teacher/README.md.
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
    type='dts.UniMatch',
    student=student,
    criterion=dict(type='dts.CrossEntropy', class_weight=_base_.class_weight),
    # Without class weights: a student that labels for itself drifts to the classes that they favour.
    unlabeled_criterion=dict(type='dts.CrossEntropy'),
    threshold=0.95,
)
# Two strong views of every unlabelled frame.
unlabeled_pipeline = [
    *_base_.unlabeled_pipeline[:-1],
    dict(
        type='dts.Branches',
        branches=dict(
            unlabeled_weak=[_base_.weak_color, dict(type='PackSegInputs')],
            unlabeled_strong=[_base_.strong_color, dict(type='PackSegInputs')],
            unlabeled_strong_2=[_base_.strong_color, dict(type='PackSegInputs')],
        ),
    ),
]
train_dataloader = dict(dataset=dict(streams=dict(unlabeled=dict(pipeline=unlabeled_pipeline))))
