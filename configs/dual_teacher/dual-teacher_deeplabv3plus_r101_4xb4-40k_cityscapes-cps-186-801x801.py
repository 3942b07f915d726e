# Dual Teacher (NeurIPS 2023) with ResNet-101 on Cityscapes 186; paper: 76.8 (quoted by RankMatch). Not run by us.
_base_ = './dual-teacher_deeplabv3plus_r50_4xb4-40k_cityscapes-cps-186-801x801.py'
weights = dict(type='dts.StrictPretrained', checkpoint='open-mmlab://resnet101_v1c')
model = dict(student=dict(backbone=dict(depth=101, init_cfg=weights)))
