# DAFormer's head with 64 channels on EfficientNet-Lite0: DAFormer at the scale of a CPU.
_base_ = './fpn_lite0.py'

model = dict(
    neck=None,
    decode_head=dict(
        _delete_=True,
        type='dts.DAFormerHead',
        in_channels=[24, 40, 112, 320],
        in_index=[0, 1, 2, 3],
        channels=64,
        dilations=(1, 6, 12, 18),
        dropout_ratio=0.1,
        num_classes=19,
        norm_cfg=dict(type='BN'),
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
    ),
)
