# DAFormer: MiT-B5 with a context-aware head of 3.7 M parameters (Hoyer et al., CVPR 2022).
# A config that inherits this sets the number of classes of the head. Several GPUs: norm_cfg
# dict(type='SyncBN') in the head. Without the web: model.backbone.init_cfg=None.
_base_ = './segformer_mit-b5.py'

model = dict(
    decode_head=dict(
        _delete_=True,
        type='dts.DAFormerHead',
        in_channels=[64, 128, 320, 512],
        in_index=[0, 1, 2, 3],
        channels=256,
        dilations=(1, 6, 12, 18),
        dropout_ratio=0.1,
        num_classes=19,
        norm_cfg=dict(type='BN', requires_grad=True),
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
    )
)
