# STDC1 (Fan et al., CVPR 2021) without its detail head, which learns borders and not classes, and without hard-pixel
# sampling: methods score every head with one criterion.
# A config that inherits this sets the number of classes of all heads. Several GPUs: norm_cfg
# dict(type='SyncBN') in backbone and heads. Without the web: model.backbone.backbone_cfg.init_cfg=None.
norm_cfg = dict(type='BN', requires_grad=True)
auxiliary_head = dict(
    type='FCNHead',
    in_channels=128,
    channels=64,
    num_convs=1,
    num_classes=19,
    in_index=2,
    norm_cfg=norm_cfg,
    concat_input=False,
    align_corners=False,
    loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
    ),
    backbone=dict(
        type='STDCContextPathNet',
        backbone_cfg=dict(
            type='STDCNet',
            stdc_type='STDCNet1',
            in_channels=3,
            channels=(32, 64, 256, 512, 1024),
            bottleneck_type='cat',
            num_convs=4,
            norm_cfg=norm_cfg,
            act_cfg=dict(type='ReLU'),
            with_final_conv=False,
            init_cfg=dict(
                type='Pretrained',
                checkpoint='https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/stdc/stdc1_20220308-5368626c.pth',
            ),
        ),
        last_in_channels=(1024, 512),
        out_channels=128,
        ffm_cfg=dict(in_channels=384, out_channels=256, scale_factor=4),
    ),
    decode_head=dict(
        type='FCNHead',
        in_channels=256,
        channels=256,
        num_convs=1,
        num_classes=19,
        in_index=3,
        concat_input=False,
        dropout_ratio=0.1,
        norm_cfg=norm_cfg,
        align_corners=True,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
    ),
    auxiliary_head=[auxiliary_head, dict(auxiliary_head, in_index=1)],
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
