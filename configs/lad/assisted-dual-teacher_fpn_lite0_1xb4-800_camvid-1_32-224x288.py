# A label-assisted teacher (LAD) on 11 labelled CamVid frames beside Dual Teacher on the others: our combination. Not scored yet, see README.md.
# Both stages in one command: python tools/train_chain.py configs/lad/chain_camvid_semi.yml
_base_ = ['../dual_teacher/dual-teacher_fpn_lite0_1xb4-800_camvid-1_32-224x288.py']
# Of the same 11 frames: a teacher of all labels would hand on those that this run must not see.
teacher = 'lad-teacher_fpn_lite0_1xb4-800_camvid-1_32-224x288'
# As in lad_fpn_lite0_*: README.md tells why not LAD's channel-wise distillation at weight 3, the default.
model = dict(type='dts.AssistedDualTeacher', assist=dict(type='dts.DIST'), assist_weight=1.0)
custom_hooks = [
    *_base_.custom_hooks,
    dict(
        type='dts.LabelAssistedTeacherHook',
        config=f'configs/lad/{teacher}.py',
        checkpoint=f'work_dirs/{teacher}/iter_800.pth',
        codes=dict(type='dts.LabelCodes', family='one_hot', pixel_sigma=0.0157),
    ),
]
