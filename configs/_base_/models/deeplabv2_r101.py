# DeepLabV2 with ResNet-101-C at output stride 8 (Chen et al., TPAMI 2017), the network of DACS (there: plain stem, MS COCO
# weights, BGR input, fixed scale and shift of the normalization).
# A config that inherits this sets the number of classes of the head. Several GPUs: norm_cfg
# dict(type='SyncBN') in the backbone. Without the web: model.backbone.init_cfg=None.
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
        type='ResNetV1c',
        depth=101,
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        dilations=(1, 1, 2, 4),
        strides=(1, 2, 1, 1),
        norm_cfg=dict(type='BN', requires_grad=True),
        norm_eval=False,
        style='pytorch',
        contract_dilation=True,
        init_cfg=dict(type='dts.StrictPretrained', checkpoint='open-mmlab://resnet101_v1c'),
    ),
    decode_head=dict(
        type='dts.DeepLabV2Head',
        in_channels=2048,
        in_index=3,
        dilations=(6, 12, 18, 24),
        num_classes=19,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
