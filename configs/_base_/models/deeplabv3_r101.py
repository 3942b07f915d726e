_base_ = './deeplabv3_r50.py'

model = dict(
    backbone=dict(
        depth=101,
        init_cfg=dict(type='dts.StrictPretrained', checkpoint='open-mmlab://resnet101_v1c'),
    )
)
