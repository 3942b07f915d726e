# CWD (Shu et al., ICCV 2021) on the scores, DeepLabV3-R101 -> DeepLabV3-R18, T and weight of MMRazor; no score known to us. Not run by us.
_base_ = './hosts/deeplabv3_r18.py'
model = dict(
    distill=[dict(loss=dict(type='dts.ChannelWiseKD', temperature=1.0), weight=5.0)]
)
