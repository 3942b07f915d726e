# DIST (Huang et al., NeurIPS 2022) on both heads, DeepLabV3-R101 -> DeepLabV3-R18, released weights; no score of this protocol known to us. Not run by us.
_base_ = './hosts/deeplabv3_r18.py'
auxiliary = 'auxiliary_head.conv_seg'
model = dict(
    distill=[
        dict(loss=dict(type='dts.DIST'), weight=1.0),
        dict(student=auxiliary, teacher=auxiliary, loss=dict(type='dts.DIST'), weight=0.4),
    ]
)
