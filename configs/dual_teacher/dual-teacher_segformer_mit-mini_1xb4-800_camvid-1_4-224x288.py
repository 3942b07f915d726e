# Dual Teacher with a SegFormer from scratch on 92 labelled CamVid frames. Scores, cost and commands: README.md.
_base_ = ['../supervised/supervised_segformer_mit-mini_1xb4-800_camvid-1_4-224x288.py']
model = dict(
    type='dts.DualTeacher',
    threshold=0.95,
    mix=[dict(type='dts.BetaCutMix'), dict(type='dts.ClassMix')],
    # Not the released shares of sure pixels: by these, unsure pixels teach too.
    weighting=['pixel_mask', 'pixel_mask'],
    labeled_mix=0.5,
    consistency_weight=0.2,
    sub_network='drop_path',
)
train_dataloader = dict(batch_size=8, sampler=dict(batch=dict(unlabeled=4)))
custom_hooks = [dict(type='dts.SwitchingTeachersHook', shift='unlabeled_pass', decay=0.99)]
val_cfg = dict(models=['student', 'teacher.0', 'teacher.1'])
test_cfg = dict(models=['student', 'teacher.0', 'teacher.1'])
