# Largest network of chain_takd_camvid.yml: EfficientNet-Lite2 on all labels of CamVid. Not scored yet, see README.md.
_base_ = ['./supervised_fpn_lite0_1xb4-800_camvid-224x288.py']
model = dict(
    student=dict(backbone=dict(arch='lite2'), neck=dict(in_channels=[24, 48, 120, 352]))
)
