_base_ = './fpn_lite0.py'

model = dict(backbone=dict(arch='lite2'), neck=dict(in_channels=[24, 48, 120, 352]))
