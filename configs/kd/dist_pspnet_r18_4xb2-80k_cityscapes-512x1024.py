# DIST (Huang et al., NeurIPS 2022) on both heads, PSPNet-R101 -> PSPNet-R18, released weights; no score of this protocol known to us. Not run by us.
_base_ = './hosts/pspnet_r18.py'
auxiliary = 'auxiliary_head.conv_seg'
model = dict(
    distill=[
        dict(loss=dict(type='dts.DIST'), weight=1.0),
        dict(student=auxiliary, teacher=auxiliary, loss=dict(type='dts.DIST'), weight=0.4),
    ]
)
