# KD (Hinton et al., 2015) of every pixel's scores, PSPNet-R101 -> PSPNet-R18, T and weight of CIRKD; no score known to us. Not run by us.
_base_ = './hosts/pspnet_r18.py'
model = dict(distill=[dict(loss=dict(type='dts.LogitKD', temperature=1.0), weight=1.0)])
