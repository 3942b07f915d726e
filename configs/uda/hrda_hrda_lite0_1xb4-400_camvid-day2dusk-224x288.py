# HRDA (ECCV 2022) at CPU scale, CamVid by day to CamVid at dusk. Scores, cost and commands: README.md beside this file.
_base_ = [
    '../_base_/models/hrda_lite0.py',
    '../_base_/datasets/camvid_day_to_dusk.py',
    '../_base_/schedules/adamw_400.py',
    '../_base_/runtime.py',
    '../_base_/tta.py',
]
student = _base_.model
student.data_preprocessor.size = _base_.crop_size
student.decode_head.num_classes = _base_.num_classes
student.detail_size = (112, 144)  # half of the crop; predictions slide it over the image by half of its size
# The default of 0.01 would leave a teacher with the statistics of ImageNet for much of a short run.
student.backbone.norm_cfg = dict(type='BN', momentum=0.1)
# 1 / ln(1.1 + p), p = share of the class in the pixels of all train frames, as in ../_base_/datasets/camvid.py
class_weight = [4.20, 3.48, 9.58, 2.87, 7.39, 5.56, 9.42, 9.50, 6.78, 9.93, 10.20]
criterion = dict(type='dts.CrossEntropy', class_weight=class_weight)
model = dict(
    _delete_=True,
    type='dts.SelfTraining',
    student=student,
    criterion=criterion,
    threshold=0.968,
    color=dict(type='dts.ColorAugmentation', strength=0.2),
    # things: pole, sign, car, pedestrian, bicyclist
    feature_distance=dict(classes=[2, 6, 8, 9, 10], weight=0.005),
)
custom_hooks = [
    dict(type='dts.EmaTeacherHook', decay=0.98, batch_statistics=True),
    dict(type='dts.ClassCollapseHook', interval=50),
    dict(type='dts.ReferenceEncoderHook'),
]
train_dataloader = dict(sampler=dict(rare_class=_base_.rare_class))
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(attention_head=dict(lr_mult=4.0))))
val_cfg = dict(models=['student', 'teacher'])
test_cfg = dict(models=['student', 'teacher'])
