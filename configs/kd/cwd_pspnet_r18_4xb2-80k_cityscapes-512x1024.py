# CWD (Shu et al., ICCV 2021) on the scores, PSPNet-R101 -> PSPNet-R18, T and weight of MMRazor; MMRazor: 75.54 mIoU. Not run by us.
_base_ = './hosts/pspnet_r18.py'
model = dict(
    distill=[dict(loss=dict(type='dts.ChannelWiseKD', temperature=1.0), weight=5.0)]
)
