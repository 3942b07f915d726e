# Knowledge distillation (Hinton et al., 2015) into EfficientNet-Lite0 on CamVid; a chain_*.yml sets the teacher. Not scored yet.
_base_ = ['./supervised_fpn_lite0_1xb4-800_camvid-224x288.py']
teacher = 'supervised_fpn_lite2_1xb4-800_camvid-224x288'
# Temperature and weight as CIRKD's code has them (Yang et al., CVPR 2022).
model = dict(
    type='dts.Distillation',
    distill=[dict(loss=dict(type='dts.LogitKD', temperature=1.0), weight=1.0)],
)
custom_hooks = [
    dict(
        type='dts.FrozenTeacherHook',
        teachers=dict(
            teacher=dict(
                config=f'configs/kd/{teacher}.py', checkpoint=f'work_dirs/{teacher}/iter_800.pth'
            )
        ),
    )
]
