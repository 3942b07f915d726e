_base_ = './fpn_lite0.py'

model = dict(backbone=dict(arch='lite1'))
