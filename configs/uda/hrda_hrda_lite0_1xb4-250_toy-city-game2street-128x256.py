# HRDA (ECCV 2022) at CPU scale, *game* to *street* images of the toy city. Scores, cost and commands: README.md beside this file.
_base_ = [
    '../_base_/models/hrda_lite0.py',
    '../_base_/datasets/toy_city_game_to_street.py',
    '../_base_/schedules/adamw_250.py',
    '../_base_/runtime.py',
    '../_base_/tta.py',
]
student = _base_.model
student.data_preprocessor.size = _base_.crop_size
student.decode_head.num_classes = _base_.num_classes
student.detail_size = (64, 128)  # half of the crop, as there; predictions slide it over the image by half of its size
# 1 / ln(1.1 + p), p = share of the class in the pixels of the game images, as in ../_base_/datasets/toy_city.py
class_weight = [3.90, 5.97, 2.52, 5.33, 5.75, 5.61, 8.73, 8.43]
criterion = dict(type='dts.CrossEntropy', class_weight=class_weight)
model = dict(
    _delete_=True,
    type='dts.SelfTraining',
    student=student,
    criterion=criterion,
    threshold=0.968,
    color=dict(type='dts.ColorAugmentation', strength=0.2),
    # things: car, person, sign
    feature_distance=dict(classes=[5, 6, 7], weight=0.005),
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
