# LAD (Qiu et al., ECCV 2024), second stage: an ordinary student learns CamVid, and from the teacher of lad-teacher_*. Not scored yet.
_base_ = ['../supervised/supervised_fpn_lite0_1xb4-800_camvid-1_32-224x288.py']
teacher = 'lad-teacher_fpn_lite0_1xb4-800_camvid-224x288'
model = dict(
    _delete_=True,
    type='dts.Distillation',
    student=_base_.student,
    criterion=dict(type='dts.CrossEntropy', class_weight=_base_.class_weight),
    # Released: channel-wise, weight 3. Here that costs the student what it gains, see README.md.
    distill=[dict(loss=dict(type='dts.DIST'), weight=1.0)],
)
train_dataloader = dict(dataset=dict(streams=dict(labeled=dict(ann_file='splits/all/train.txt'))))
custom_hooks = [
    dict(
        type='dts.LabelAssistedTeacherHook',
        config=f'configs/lad/{teacher}.py',
        checkpoint=f'work_dirs/{teacher}/iter_800.pth',
        # of the family that it was trained with
        codes=dict(type='dts.LabelCodes', family='one_hot', pixel_sigma=0.0157),
    )
]
val_cfg = dict(models=['student'])
test_cfg = dict(models=['student'])
