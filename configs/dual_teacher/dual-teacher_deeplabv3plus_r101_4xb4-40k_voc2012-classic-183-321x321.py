# Dual Teacher (NeurIPS 2023) with ResNet-101 on VOC 2012 classic 183; paper: no R101 score known to us. Not run by us.
_base_ = './dual-teacher_deeplabv3plus_r50_4xb4-40k_voc2012-classic-183-321x321.py'
weights = dict(type='dts.StrictPretrained', checkpoint='open-mmlab://resnet101_v1c')
model = dict(student=dict(backbone=dict(depth=101, init_cfg=weights)))
