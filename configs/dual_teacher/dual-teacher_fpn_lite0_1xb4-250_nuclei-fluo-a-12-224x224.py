# Dual Teacher on two classes: nuclei in fluorescence images, 12 labelled and 227 unlabelled. Scores: README.md beside this file.
# Lists: make_splits.py nuclei/splits/domain/fluo_a_train.txt OUT --sizes 12 --name nuclei-fluo_a
_base_ = [
    '../_base_/models/fpn_lite0.py',
    '../_base_/datasets/nuclei.py',
    '../_base_/schedules/adamw_250.py',
    '../_base_/runtime.py',
    '../_base_/tta.py',
]
lists = '{{ fileDirname }}/../../data/splits/nuclei_fluo_a/12/seed0'
student = _base_.model
student.data_preprocessor.size = _base_.crop_size
student.decode_head.num_classes = _base_.num_classes
# The default of 0.01 would keep a share of ImageNet's statistics to the end of a short run.
student.backbone.norm_cfg = dict(type='BN', momentum=0.1)
model = dict(
    _delete_=True,
    type='dts.DualTeacher',
    student=student,
    threshold=0.95,
    # Half of two classes is all background or all nuclei, in shapes that no image has: rectangles.
    mix=[dict(type='dts.BetaCutMix'), dict(type='dts.HalfCutMix')],
    # Unsure pixels are rims of nuclei: with the argmax as their label, nuclei shrink.
    weighting=['pixel_mask', 'pixel_mask'],
    consistency_weight=0.2,
    sub_network='block_skip',
)
custom_hooks = [dict(type='dts.SwitchingTeachersHook', shift='unlabeled_pass', decay=0.98)]
train_dataloader = dict(
    dataset=dict(
        streams=dict(
            labeled=dict(ann_file=f'{lists}/labeled.txt'),
            unlabeled=dict(ann_file=f'{lists}/unlabeled.txt'),
        )
    )
)
# Of the same domain as the training images.
test_dataloader = dict(dataset=dict(ann_file='splits/domain/fluo_a_test.txt'))
val_cfg = dict(models=['student', 'teacher.0', 'teacher.1'])
test_cfg = dict(models=['student', 'teacher.0', 'teacher.1'])
